#!/bin/bash
# usage: start.sh ES_HOME RUN_DIR    starts one node on free loopback ports; prints "PID PORT"; stop: kill PID
# plain HTTP, no login
set -e
here=$(cd "$(dirname "$0")" && pwd)
home=$(cd "$1" && pwd); mkdir -p "$2"; run=$(cd "$2" && pwd)
mkdir -p "$run"/{config,data,logs,tmp}
export ES_RUN="$run" ES_PATH_CONF="$run/config" ES_TMPDIR="$run/tmp" HOME="$run/tmp"
export ES_JAVA_HOME="${ES_JAVA_HOME:-$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")}"
export ES_JAVA_OPTS="${ES_JAVA_OPTS:--Xms256m -Xmx256m -XX:-HeapDumpOnOutOfMemoryError}"
cp "$home/config/log4j2.properties" "$run/config/"
# 7.17 names its log files relative to its own folder, which the user it runs as may not write
sed "s#=logs/#=$run/logs/#; s#=data#=$run/tmp#" "$home/config/jvm.options" >"$run/config/jvm.options"
cp "$here/elasticsearch.yml" "$run/config/elasticsearch.yml"
rm -f "$run/logs/http.ports" "$run/pid"
# the server refuses to run as root
if [ "$(id -u)" = 0 ]; then chown -R nobody:nogroup "$run"; as="setpriv --reuid=nobody --regid=nogroup --clear-groups"; fi
$as "$home/bin/elasticsearch" -d -p "$run/pid" </dev/null >"$run/start.log" 2>&1 || { tail -n 15 "$run/start.log" >&2; exit 1; }
for i in $(seq 900); do [ -s "$run/logs/http.ports" ] && break; sleep 0.2; done
port=$(sed -n 's/^127\.0\.0\.1:\([0-9]*\)$/\1/p' "$run/logs/http.ports" | head -1)
echo "$(cat "$run/pid") $port"
