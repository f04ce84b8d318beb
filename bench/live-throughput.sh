#!/usr/bin/env bash
# live-throughput.sh natscope|slirp4netns|pasta down|up|requests|pages BYTES MAIN: one figure, bytes or requests a second, of curl or wrk in a network
# namespace, by a user-mode network at MTU 1500, to an nginx on the host's loopback; `pages` asks natscope's emulated pod instead, and nginx for as
# long a page on as short connections. Call it by `unshare --net --mount`: it uses the namespace it is in.
set -euo pipefail
way=$1 what=$2 bytes=$3 main=$4
folder=$(mktemp -d)
began=()
trap 'kill "${began[@]}" 2> /dev/null; wait 2> /dev/null; rm -rf "$folder"' EXIT

ip link set lo up
# What pasta takes for the way out of the machine.
ip link add real0 type veth peer name real1
ip address add 192.0.2.2/24 dev real0
ip link set real0 up
ip link set real1 up
ip route add default via 192.0.2.1

head -c "$bytes" /dev/zero > "$folder/body"
page=$(head -c 340 /dev/zero | tr '\0' x)
{
  echo "worker_processes 1; daemon off; master_process off; pid $folder/pid; error_log $folder/errors; events {}"
  echo "http { access_log off; sendfile on; client_max_body_size 0; keepalive_requests 1000000; client_body_buffer_size 64k;"
  for each in client_body proxy fastcgi uwsgi scgi; do echo "${each}_temp_path $folder/$each;"; done
  echo "server { listen 127.0.0.1:8080; root $folder; location = /small { return 200 hello; } location /sink { return 200 taken; }"
  echo "location = /page { keepalive_requests 100; return 200 $page; } } }"
} > "$folder/nginx.conf"
nginx -c "$folder/nginx.conf" & began+=($!)
until curl -s -o /dev/null 127.0.0.1:8080/small; do sleep 0.05; done

requests() { # a second, when everything has run for a while: node compiles what runs often
  echo "wrk -t 1 -c 32 -d 2 $1 > /dev/null; wrk -t 1 -c 32 -d 3 $1 | awk '/Requests\/sec/ { print \$2 }'"
}

measure() { # the server's address, as seen from the namespace
  case $what in
    down) echo "curl -s -o /dev/null -w '%{speed_download}\n' $1/body" ;;
    up) echo "curl -s -o /dev/null -H Expect: -T $folder/body -w '%{speed_upload}\n' $1/sink" ;;
    requests) requests "http://$1/small" ;;
    pages) requests "http://$1/page" ;;
  esac
}

case $way in
  natscope)
    backend=(--backend source-ip-app=127.0.0.1:8080)
    if [ "$what" = pages ]; then backend=(); fi
    node "$main" shell nodeport "${backend[@]}" -- bash -c "$(measure 203.0.113.4:31000)" ;;
  slirp4netns)
    unshare --net sleep 60 & began+=($!)
    other=$!
    until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.01; done
    slirp4netns --configure --mtu=1500 --ready-fd=3 "$other" tap0 3> "$folder/ready" > /dev/null 2>&1 & began+=($!)
    until [ -s "$folder/ready" ]; do sleep 0.01; done
    nsenter -t "$other" -n bash -c "$(measure 10.0.2.2:8080)" ;;
  pasta)
    chmod 755 "$folder"
    pasta --runas 0:0 --config-net --mtu 1500 -q -- bash -c "$(measure 192.0.2.1:8080)" ;;
esac
