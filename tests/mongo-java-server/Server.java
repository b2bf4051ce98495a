import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.util.List;

/**
 * A second server with MongoDB's protocol for Provost's tests: mongo-java-server in memory, on loopback. It has update
 * semantics of its own, so that the store does not come to depend on those of one server.
 *
 * The address is printed when the server answers. It ends when its standard input is closed, so that it does not outlive the
 * test that started it.
 */
public final class Server {
    /** It announces wire version 8 by itself, and the driver asks for 9, which is MongoDB 4.4, the oldest that Provost works with. */
    private static final MongoVersion OLDEST = new MongoVersion() {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(4, 4, 0);
        }

        @Override
        public int getWireVersion() {
            return 9;
        }
    };

    public static void main(String[] arguments) throws Exception {
        MemoryBackend backend = new MemoryBackend();
        backend.version(OLDEST);
        MongoServer server = new MongoServer(backend);
        System.out.println("mongodb://127.0.0.1:" + server.bind().getPort() + "/");
        while (System.in.read() >= 0) {
            // Nothing that is written there has a meaning.
        }
        server.shutdownNow();
    }
}
