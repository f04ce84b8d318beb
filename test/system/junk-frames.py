"""Sends frames that nobody should send, by an AF_PACKET socket on an interface: junk-frames.py INTERFACE TARGET PORT COUNT SEED.

A third are random bytes, a third are random bytes behind an Ethernet header with the gateway's address, a third are TCP segments for TARGET:PORT from random
senders that are wrong in some way, or only unexpected. The same seed sends the same frames.
"""
import random, socket, struct, subprocess, sys, time

interface, target, port, count, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
chance = random.Random(seed)
OWN = socket.inet_aton("198.51.100.79")


def checksum(data):
    data += b"\0" * (len(data) & 1)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def hardware_address_of_gateway():
    words = subprocess.run(["ip", "route", "get", target], capture_output=True, text=True, check=True).stdout.split()
    gateway = words[words.index("via") + 1]
    subprocess.run(["ping", "-c", "1", "-W", "1", gateway], capture_output=True, check=False)
    line = subprocess.run(["ip", "neigh", "show", gateway], capture_output=True, text=True, check=True).stdout
    return bytes.fromhex(line.split()[line.split().index("lladdr") + 1].replace(":", ""))


def segment(source):
    """A TCP segment with random fields; some lengths and checksums are wrong."""
    options = chance.randbytes(4 * chance.randrange(11)) if chance.random() < 0.5 else b""
    payload = chance.randbytes(chance.choice([0, 0, 1, 7, 536, 1200]))
    offset = (20 + len(options)) // 4 if chance.random() < 0.8 else chance.randrange(16)
    # The machine's own programs use other ports: what becomes of their connections is what is tested.
    own_port = chance.randrange(30000) if source == OWN else chance.randrange(65536)
    fields = (own_port, port, chance.randrange(2**32), chance.randrange(2**32))
    tail = (chance.randrange(65536), 0, chance.randrange(65536))
    header = struct.pack("!HHIIBBHHH", *fields, offset << 4, chance.randrange(256), *tail) + options
    whole = header + payload
    pseudo = source + socket.inet_aton(target) + struct.pack("!BBH", 0, 6, len(whole))
    total = checksum(pseudo + whole) if chance.random() < 0.8 else chance.randrange(65536)
    return whole[:16] + struct.pack("!H", total) + whole[18:]


def packet():
    source = OWN if chance.random() < 0.5 else bytes([198, 51, 100, chance.randrange(256)])
    content = segment(source)
    length = 20 + len(content) if chance.random() < 0.9 else chance.randrange(65536)
    fragment = 0 if chance.random() < 0.8 else chance.randrange(65536)
    fields = (0x45 if chance.random() < 0.9 else chance.randrange(256), 0, length, chance.randrange(65536), fragment)
    header = struct.pack("!BBHHHBBH", *fields, chance.choice([1, 2, 64, 255]), 6, 0) + source + socket.inet_aton(target)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + content


link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind((interface, 0))
gateway, own = hardware_address_of_gateway(), link.getsockname()[4]
sent = 0
for number in range(count):
    kind = number % 3
    if kind == 0:
        frame = chance.randbytes(14 + chance.randrange(1400))
    elif kind == 1:
        frame = gateway + own + chance.choice([b"\x08\x00", b"\x08\x06", b"\x81\x00", b"\x86\xdd"]) + chance.randbytes(chance.randrange(1400))
    else:
        frame = gateway + own + b"\x08\x00" + packet()
    try:
        sent += link.send(frame) > 0
    except OSError:
        time.sleep(0.001)
print(sent, "frames sent")
