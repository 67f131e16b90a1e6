#!/usr/bin/env python3
"""One end of a slow cable: a TAP device in the network namespace that this runs in.

wire.py DEVICE OWN_SOCKET OTHER_SOCKET DELAY_MS LOSS_PER_THOUSAND SEED

Frames that the machine sends wait for the delay, or are lost, and go as datagrams to the
other end's socket. netem would do this, where the kernel has it.
"""

import fcntl
import heapq
import os
import random
import select
import socket
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 2, 0x1000
WAITING_MAX = 4096

device, own, other, delay, loss, seed = sys.argv[1:]
delay, loss, chance = int(delay) / 1000, int(loss), random.Random(int(seed))
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH", device.encode(), IFF_TAP | IFF_NO_PI))
line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
line.bind(own)
line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
print("ready", flush=True)
waiting, number = [], 0
while True:
    pause = max(0, waiting[0][0] - time.monotonic()) if waiting else None
    ready, _, _ = select.select([tap, line], [], [], pause)
    if tap in ready:
        frame = os.read(tap, 65536)
        if len(waiting) < WAITING_MAX and chance.randrange(1000) >= loss:
            number += 1
            heapq.heappush(waiting, (time.monotonic() + delay, number, frame))
    if line in ready:
        try:
            os.write(tap, line.recv(65536))
        except OSError:
            pass  # The device is down: the cable is pulled.
    while waiting and waiting[0][0] <= time.monotonic():
        frame = heapq.heappop(waiting)[2]
        try:
            line.sendto(frame, other)
        except OSError:
            pass  # The other end is not there yet, or no longer.
