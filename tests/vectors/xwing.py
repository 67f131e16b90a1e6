"""X-Wing (draft-connolly-cfrg-xwing-kem-10) and its half ML-KEM-768 (FIPS 203), with given randomness.

Written out from these documents for `check.py`: a library draws its own randomness. Nothing here is in constant time.
"""

import hashlib
from functools import lru_cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

Q, N, K, DU, DV = 3329, 256, 3, 10, 4
RAW = serialization.Encoding.Raw, serialization.PublicFormat.Raw
LABEL = rb"\.//^" + b"\\"


def reversed_bits(value):
    return int(f"{value:07b}"[::-1], 2)


ZETAS = [pow(17, reversed_bits(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * reversed_bits(i) + 1, Q) for i in range(128)]


# Polynomials: FIPS 203, section 4.3

def ntt(f):
    f, at, length = list(f), 1, 128
    while length >= 2:
        for start in range(0, N, 2 * length):
            zeta, at = ZETAS[at], at + 1
            for j in range(start, start + length):
                t = zeta * f[j + length] % Q
                f[j + length], f[j] = (f[j] - t) % Q, (f[j] + t) % Q
        length //= 2
    return f


def inverse_ntt(f):
    f, at, length = list(f), 127, 2
    while length <= 128:
        for start in range(0, N, 2 * length):
            zeta, at = ZETAS[at], at - 1
            for j in range(start, start + length):
                t = f[j]
                f[j], f[j + length] = (t + f[j + length]) % Q, zeta * (f[j + length] - t) % Q
        length *= 2
    return [value * 3303 % Q for value in f]


def times(f, g):
    out = []
    for i in range(128):
        (a0, a1), (b0, b1) = f[2 * i:2 * i + 2], g[2 * i:2 * i + 2]
        out += [(a0 * b0 + a1 * b1 * GAMMAS[i]) % Q, (a0 * b1 + a1 * b0) % Q]
    return out


def plus(*polynomials):
    return [sum(values) % Q for values in zip(*polynomials)]


def inner(one, other):
    return plus(*map(times, one, other))


# Bytes and samples: sections 4.2.1 and 4.2.2

def packed(f, bits):
    return sum(value << bits * i for i, value in enumerate(f)).to_bytes(32 * bits, "little")


def unpacked(data, bits):
    whole = int.from_bytes(data, "little")
    return [whole >> bits * i & (1 << bits) - 1 for i in range(N)]


def compressed(f, bits):
    return [((value << bits + 1) + Q) // (2 * Q) % (1 << bits) for value in f]


def decompressed(f, bits):
    return [(value * Q + (1 << bits - 1)) >> bits for value in f]


def uniform(seed):
    stream, out, at = hashlib.shake_128(seed).digest(1344), [], 0
    while len(out) < N:
        a, b, c = stream[at:at + 3]
        out += [value for value in (a | (b & 15) << 8, b >> 4 | c << 4) if value < Q]
        at += 3
    return out[:N]


def noise(seed, number):
    bits = int.from_bytes(hashlib.shake_256(seed + bytes([number])).digest(128), "little")
    pairs = (bits >> 4 * i & 15 for i in range(N))
    return [((x & 1) + (x >> 1 & 1) - (x >> 2 & 1) - (x >> 3)) % Q for x in pairs]


@lru_cache
def matrix(rho):
    return [[uniform(rho + bytes([j, i])) for j in range(K)] for i in range(K)]


# ML-KEM-768: sections 5 and 6

@lru_cache
def key_pair(d, z):
    seeds = hashlib.sha3_512(d + bytes([K])).digest()
    rho, sigma = seeds[:32], seeds[32:]
    s, e = ([ntt(noise(sigma, K * part + i)) for i in range(K)] for part in (0, 1))
    t = [plus(inner(row, s), error) for row, error in zip(matrix(rho), e)]
    public = b"".join(packed(f, 12) for f in t) + rho
    return public, (s, public, z)


def encrypted(public, message, randomness):
    t = [unpacked(public[384 * i:384 * (i + 1)], 12) for i in range(K)]
    a = matrix(public[384 * K:])
    y = [ntt(noise(randomness, i)) for i in range(K)]
    errors = [noise(randomness, K + i) for i in range(K)]
    u = [plus(inverse_ntt(inner([a[j][i] for j in range(K)], y)), errors[i]) for i in range(K)]
    v = plus(inverse_ntt(inner(t, y)), noise(randomness, 2 * K), decompressed(unpacked_bits(message), 1))
    return b"".join(packed(compressed(f, DU), DU) for f in u) + packed(compressed(v, DV), DV)


def unpacked_bits(message):
    return unpacked(message, 1)


def encapsulated(public, message):
    assert all(value < Q for i in range(K) for value in unpacked(public[384 * i:384 * (i + 1)], 12)), "not a key"
    seeds = hashlib.sha3_512(message + hashlib.sha3_256(public).digest()).digest()
    return seeds[:32], encrypted(public, message, seeds[32:])


def decapsulated(private, sealed):
    s, public, z = private
    u = [ntt(decompressed(unpacked(sealed[320 * i:320 * (i + 1)], DU), DU)) for i in range(K)]
    v = decompressed(unpacked(sealed[320 * K:], DV), DV)
    noisy = [(a - b) % Q for a, b in zip(v, inverse_ntt(inner(s, u)))]
    message = packed(compressed(noisy, 1), 1)
    secret, again = encapsulated(public, message)
    return secret if again == sealed else hashlib.shake_256(z + sealed).digest(32)


# X-Wing

def x25519(private, public=None):
    key = X25519PrivateKey.from_private_bytes(private)
    return key.exchange(X25519PublicKey.from_public_bytes(public)) if public else key.public_key().public_bytes(*RAW)


def combined(ml_kem, ecdh, ct, pk):
    return hashlib.sha3_256(ml_kem + ecdh + ct + pk + LABEL).digest()


def halves(seed):
    drawn = hashlib.shake_256(seed).digest(96)
    return key_pair(drawn[:32], drawn[32:64]), drawn[64:]


def xwing_public(seed):
    (public, _), private = halves(seed)
    return public + x25519(private)


@lru_cache
def xwing_seal(public, randomness):
    """The shared secret and the encapsulated key: 32 of the 64 random bytes for ML-KEM, 32 for X25519."""
    ml_kem, ours, theirs = public[:1184], randomness[32:], public[1184:]
    secret, sealed = encapsulated(ml_kem, randomness[:32])
    ct = x25519(ours)
    return combined(secret, x25519(ours, theirs), ct, theirs), sealed + ct


def xwing_open(seed, encapsulated_key):
    (_, private), ours = halves(seed)
    sealed, ct = encapsulated_key[:1088], encapsulated_key[1088:]
    return combined(decapsulated(private, sealed), x25519(ours, ct), ct, x25519(ours))
