"""A Linux end of bench/goodput.ts, in a network namespace of its own.

    goodput-end.py receive PORT                         reads all there is and closes when the other side has
    goodput-end.py send PORT CONTROL BYTES ADDRESS…     sends so much to each of them at once; prints how many seconds each took
"""

import json
import socket
import sys
import threading
import time


def receive(port):
    listener = socket.create_server(("", port), backlog=128)
    print("ready", flush=True)
    while True:
        threading.Thread(target=drain, args=(listener.accept()[0],), daemon=True).start()


def drain(connection):
    while connection.recv(1 << 20):
        pass
    connection.close()


def send(port, control, length, addresses):
    times = [0.0] * len(addresses)
    body = b"a" * length

    def flow(index):
        began = time.monotonic()
        sender = socket.socket()
        # By the socket, not the sysctl: a namespace may only choose what the machine allows to everybody.
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, control.encode())
        sender.connect((addresses[index], port))
        sender.sendall(body)
        sender.shutdown(socket.SHUT_WR)
        # The receiver closes when it has everything.
        sender.recv(1)
        times[index] = time.monotonic() - began
        sender.close()

    threads = [threading.Thread(target=flow, args=(index,)) for index in range(len(addresses))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(times), flush=True)


if sys.argv[1] == "receive":
    receive(int(sys.argv[2]))
else:
    send(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5:])
