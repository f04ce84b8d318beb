"""What runs inside the namespaces of the kernel lab: servers, and senders of what curl and ping do not send."""

import ctypes
import fcntl
import socket
import struct
import sys
import threading
import time

IP_MTU_DISCOVER = 10


def quiet(names):
    """Turns off what makes captures differ from the wire: checksums left to hardware, segmentation and its undoing."""
    control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for name in names:
        for command in (0x15, 0x17, 0x1F, 0x24, 0x2C):  # ETHTOOL_SRXCSUM, STXCSUM, STSO, SGSO, SGRO
            value = ctypes.create_string_buffer(struct.pack("II", command, 0), 8)
            request = struct.pack("16sP16x", name.encode(), ctypes.addressof(value))
            try:
                fcntl.ioctl(control.fileno(), 0x8946, request)  # SIOCETHTOOL
            except OSError:
                pass  # A bridge has no such switch.


def answer(connection, peer):
    """A page of as many bytes as the path says; the client closes first."""
    with connection:
        request = b""
        while b"\r\n\r\n" not in request:
            chunk = connection.recv(65536)
            if not chunk:
                return
            request += chunk
        path = request.split(b" ")[1].decode().strip("/")
        length = request.lower().split(b"content-length:")
        if len(length) > 1:
            left = int(length[1].split(b"\r\n")[0]) - len(request.split(b"\r\n\r\n", 1)[1])
            while left > 0:
                left -= len(connection.recv(65536))
        body = f"client_address={peer[0]}\n".encode()
        body = body.ljust(int(path or 0), b".")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        while connection.recv(65536):
            pass


def serve_http(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen(64)
    while True:
        connection, peer = listener.accept()
        threading.Thread(target=answer, args=(connection, peer), daemon=True).start()


def serve_udp(port):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 0)
    server.bind(("", port))
    while True:
        payload, peer = server.recvfrom(65536)
        server.sendto(payload, peer)


def serve(http, udp):
    threading.Thread(target=serve_udp, args=(int(udp),), daemon=True).start()
    threading.Thread(target=serve_http, args=(int(http),), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


def udp(source, to, port, size, discover):
    """Sends one datagram and waits a little for an answer, so that the port is open when it comes."""
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, int(discover))
    client.bind(("", int(source)))
    client.settimeout(0.25)
    client.sendto(b"a" * int(size), (to, int(port)))
    try:
        client.recvfrom(65536)
    except OSError:
        pass


def raw(packets):
    """Sends IP packets as they are given, in hexadecimal."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    for text in packets:
        packet = bytes.fromhex(text)
        sender.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
        time.sleep(0.03)


def frames(texts):
    """Sends whole frames, each written as namespace/interface/hexadecimal: the two ends of a conversation in turn."""
    libc = ctypes.CDLL(None, use_errno=True)
    senders = {}
    for text in texts:
        namespace, name, frame = text.split("/")
        if (namespace, name) not in senders:
            with open(f"/run/netns/{namespace}") as handle:
                if libc.setns(handle.fileno(), 0) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            sender.bind((name, 0))
            senders[namespace, name] = sender
        senders[namespace, name].send(bytes.fromhex(frame))


command, *arguments = sys.argv[1:]
if command == "quiet":
    quiet(arguments)
elif command == "serve":
    serve(*arguments)
elif command == "udp":
    udp(*arguments)
elif command == "raw":
    raw(arguments)
elif command == "frames":
    frames(arguments)
