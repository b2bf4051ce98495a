// A server with MongoDB's protocol for Provost's tests: FerretDB over SQLite, in this process, on loopback.
//
// FerretDB 1 reads, filters, then writes, so that of two updates that compare the same field both may win. So one message at
// a time is passed to it, a request together with its reply, over all connections: then an update of one document is atomic,
// as it is on MongoDB.
//
// The address is printed when the server answers. With -watch-stdin it ends when its standard input is closed, so that it does
// not outlive the test that started it.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/FerretDB/FerretDB/ferretdb"
)

const (
	headerSize      = 16
	opQuery         = 2004
	opMsg           = 2013
	moreToCome      = 1 << 1
	exhaustAllowed  = 1 << 16
	largestMessage  = 48_000_000
	longestStarting = 20 * time.Second
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	state := flag.String("state", "", "folder of the data; made if missing")
	watch := flag.Bool("watch-stdin", false, "end when standard input is closed")
	flag.Parse()
	log.SetFlags(0)
	log.SetPrefix("mongo-server: ")
	if *state == "" {
		log.Fatal("-state FOLDER is needed")
	}
	if err := os.MkdirAll(*state, 0o700); err != nil {
		log.Fatal(err)
	}
	folder, err := filepath.Abs(*state)
	if err != nil {
		log.Fatal(err)
	}

	// A socket in a folder of its own: only this process's proxy is to reach the server behind it.
	private, err := os.MkdirTemp("", "mongo")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(private)
	socket := filepath.Join(private, "s")
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{Unix: socket},
		Handler:   "sqlite",
		// A test kills processes and cuts no power: nothing has to wait for the disk.
		SQLiteURL: "file:" + folder + "/?_pragma=synchronous(off)",
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Run(ctx); err != nil {
			log.Print(err)
		}
	}()
	if err := answers(socket); err != nil {
		log.Print(err)
		return
	}

	front, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Print(err)
		return
	}
	if *watch {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	fmt.Printf("mongodb://%s/\n", front.Addr())
	go func() {
		<-ctx.Done()
		front.Close()
	}()
	var turn sync.Mutex
	for {
		client, err := front.Accept()
		if err != nil {
			break
		}
		go serve(client, socket, &turn)
	}
	select {
	case <-done:
	case <-time.After(5 * time.Second):
	}
}

// answers waits until the server takes connections.
func answers(socket string) error {
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		connection, err := net.Dial("unix", socket)
		if err == nil {
			return connection.Close()
		}
		if time.Since(began) > longestStarting {
			return err
		}
	}
}

// handshakes come one at a time too, but not behind data.
var handshakes sync.Mutex

// serve passes the messages of one client, each with its reply, when it is their turn.
func serve(client net.Conn, socket string, turn *sync.Mutex) {
	defer client.Close()
	server, err := net.Dial("unix", socket)
	if err != nil {
		log.Print(err)
		return
	}
	defer server.Close()
	for {
		request, err := message(client)
		if err != nil {
			return
		}
		expectsReply := true
		if binary.LittleEndian.Uint32(request[12:]) == opMsg && len(request) >= headerSize+4 {
			flags := binary.LittleEndian.Uint32(request[headerSize:])
			expectsReply = flags&moreToCome == 0
			// A reply is one message: a stream of them would hold the turn.
			binary.LittleEndian.PutUint32(request[headerSize:], flags&^exhaustAllowed)
		}
		wait := turn
		if concernsNoData(request) {
			wait = &handshakes
		}
		reply, err := exchange(server, request, expectsReply, wait)
		if err != nil {
			return
		}
		if _, err := client.Write(reply); err != nil {
			return
		}
	}
}

// concernsNoData tells handshakes and heartbeats, which need not wait: a driver gives a server up that does not answer them.
func concernsNoData(request []byte) bool {
	const name = headerSize + 4 + 1 + 4 + 1 // flags, kind of section, length of document, type of its first element
	switch binary.LittleEndian.Uint32(request[12:]) {
	case opQuery:
		return true // nothing but the first handshake is still sent so
	case opMsg:
		if len(request) <= name || request[headerSize+4] != 0 {
			return false
		}
		end := bytes.IndexByte(request[name:], 0)
		if end < 0 {
			return false
		}
		switch string(request[name : name+end]) {
		case "hello", "isMaster", "ismaster", "ping", "buildInfo":
			return true
		}
	}
	return false
}

func exchange(server net.Conn, request []byte, expectsReply bool, turn *sync.Mutex) ([]byte, error) {
	turn.Lock()
	defer turn.Unlock()
	if _, err := server.Write(request); err != nil || !expectsReply {
		return nil, err
	}
	return message(server)
}

func message(from io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(length[:])
	if size < headerSize || size > largestMessage {
		return nil, fmt.Errorf("a message of %d bytes", size)
	}
	whole := make([]byte, size)
	copy(whole, length[:])
	_, err := io.ReadFull(from, whole[4:])
	return whole, err
}
