#!/usr/bin/env bash
# Fetches the libraries of Server.java into third_party/mongo-java-server, unless they are those of pom.xml already. What Maven
# itself needs for that is kept in third_party/maven, so that a later fetch needs no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
third_party=$(cd ../.. && pwd)/third_party
libraries=$third_party/mongo-java-server
mkdir -p "$third_party"
exec 9>"$third_party/.mongo-java-server.lock"
flock 9
if cmp --silent pom.xml "$libraries/pom.xml"; then exit 0; fi
for program in java mvn; do
  command -v "$program" >/dev/null 2>&1 || { echo "$program is not here" >&2; exit 1; }
done
fresh=$(mktemp -d "$third_party/.mongo-java-server.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
mvn -q -B -f pom.xml -Dmaven.repo.local="$third_party/maven" dependency:copy-dependencies -DoutputDirectory="$fresh" >"$fresh/log" 2>&1 ||
  { echo "Maven could not fetch its libraries: $(tail -n 3 "$fresh/log")" >&2; exit 1; }
rm "$fresh/log"
cp pom.xml "$fresh/"
rm -rf "$libraries"
mv "$fresh" "$libraries"
trap - EXIT
