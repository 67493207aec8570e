// What a key needs at the least from a page to a terminal and back: one WebSocket (RFC 6455), one pseudo terminal, one loop.
// Prints the port it listens on; serves the page that the keys are typed into, and its socket.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pty.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *PAGE =
    "<!doctype html><title>floor</title><script>"
    "const socket = new WebSocket(`ws://${location.host}/`); socket.binaryType = 'arraybuffer';"
    "globalThis.arrivals = []; globalThis.presses = [];"
    "socket.onopen = () => { document.title = 'ready'; };"
    "socket.onmessage = () => { arrivals.push(performance.now()); };"
    "addEventListener('keydown', (event) => { presses.push(performance.now()); socket.send(event.key); }, true);"
    "</script>";

static uint32_t rotated(uint32_t word, int by) { return (word << by) | (word >> (32 - by)); }

// SHA-1 (FIPS 180-4) of a text of less than 120 bytes.
static void sha1(const char *text, unsigned char digest[20]) {
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    unsigned char block[128] = {0};
    size_t length = strlen(text), blocks = length < 56 ? 1 : 2;
    memcpy(block, text, length);
    block[length] = 0x80;
    for (int at = 0; at < 4; at++) block[blocks * 64 - 1 - at] = (unsigned char)((length * 8) >> (8 * at));
    for (size_t part = 0; part < blocks; part++) {
        uint32_t w[80];
        for (int at = 0; at < 16; at++) {
            const unsigned char *four = block + part * 64 + at * 4;
            w[at] = (uint32_t)four[0] << 24 | (uint32_t)four[1] << 16 | (uint32_t)four[2] << 8 | four[3];
        }
        for (int at = 16; at < 80; at++) w[at] = rotated(w[at - 3] ^ w[at - 8] ^ w[at - 14] ^ w[at - 16], 1);
        uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int at = 0; at < 80; at++) {
            uint32_t f = at < 20 ? (b & c) | (~b & d) : at < 40 ? b ^ c ^ d : at < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
            static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
            uint32_t next = rotated(a, 5) + f + e + k[at / 20] + w[at];
            e = d, d = c, c = rotated(b, 30), b = a, a = next;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    for (int at = 0; at < 20; at++) digest[at] = (unsigned char)(h[at / 4] >> (24 - 8 * (at % 4)));
}

static void base64(const unsigned char digest[20], char text[29]) {
    static const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int at = 0; at < 7; at++) {
        uint32_t three = (uint32_t)digest[at * 3] << 16 | (uint32_t)digest[at * 3 + 1] << 8;
        if (at < 6) three |= digest[at * 3 + 2];
        for (int place = 0; place < 4; place++) text[at * 4 + place] = letters[(three >> (18 - 6 * place)) & 63];
    }
    text[27] = '=';
    text[28] = 0;
}

// Answers one request; true when the connection is a WebSocket from here on.
static int answer(int connection) {
    char request[8192], text[128];
    size_t length = 0;
    while (length < sizeof request - 1) {
        ssize_t got = read(connection, request + length, sizeof request - 1 - length);
        if (got <= 0) return 0;
        length += (size_t)got;
        request[length] = 0;
        if (strstr(request, "\r\n\r\n")) break;
    }
    const char *key = strcasestr(request, "Sec-WebSocket-Key: ");
    if (!key) {
        dprintf(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                strlen(PAGE), PAGE);
        return 0;
    }
    unsigned char digest[20];
    char accept[29];
    snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key + 19);
    sha1(text, digest);
    base64(digest, accept);
    dprintf(connection,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    return 1;
}

// Keys come as short masked frames, each in one piece on the loopback.
static int typed(int connection, int terminal) {
    unsigned char frame[256];
    ssize_t got = read(connection, frame, sizeof frame);
    if (got < 6 || (frame[0] & 15) == 8) return 0;
    size_t length = frame[1] & 127;
    if (length > 125 || (size_t)got < 6 + length) return 0;
    for (size_t at = 0; at < length; at++) frame[6 + at] ^= frame[2 + at % 4];
    return write(terminal, frame + 6, length) > 0;
}

static int shown(int terminal, int connection) {
    unsigned char frame[127];
    ssize_t got = read(terminal, frame + 2, 125);
    if (got <= 0) return 0;
    frame[0] = 0x82;
    frame[1] = (unsigned char)got;
    return write(connection, frame, (size_t)got + 2) > 0;
}

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), terminal;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 8)) return 1;
    getsockname(listener, (struct sockaddr *)&address, &size);
    if (forkpty(&terminal, NULL, NULL, NULL) == 0) execlp("cat", "cat", NULL);
    printf("ready on %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int connection = accept(listener, NULL, NULL), at_once = 1;
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
        if (connection >= 0 && answer(connection)) {
            struct pollfd both[2] = {{.fd = connection, .events = POLLIN}, {.fd = terminal, .events = POLLIN}};
            while (poll(both, 2, -1) > 0) {
                if (both[0].revents && !typed(connection, terminal)) break;
                if (both[1].revents && !shown(terminal, connection)) break;
            }
        }
        close(connection);
    }
}
