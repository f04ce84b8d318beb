/*
 * What bench/udp-path.bench.ts does, on Linux: UDP datagrams of 64 bytes from a client's sockets to a Service address, over a router with
 * kube-proxy's rules, to a server's sockets; 64 under way. One thread sends and receives, so that the kernel has one core, as natscope has.
 *
 * linux-path CLIENT-NETNS SERVER-NETNS FLOWS FLOWS-PER-ADDRESS PACKETS: prints packets a second. All flows are opened before the clock starts.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_PORT = 53, PORTS = 8, IN_FLIGHT = 64, PAYLOAD = 64 };

static long flows, per_address, count;
static int *clients;
static int servers[PORTS];
static char payload[PAYLOAD];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void enter(const char *name) {
  char path[256];
  snprintf(path, sizeof path, "/run/netns/%s", name);
  int fd = open(path, O_RDONLY);
  if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) fail(path);
  close(fd);
}

static struct sockaddr_in endpoint(const char *address, int port) {
  struct sockaddr_in it;
  memset(&it, 0, sizeof it);
  it.sin_family = AF_INET;
  it.sin_port = htons(port);
  it.sin_addr.s_addr = inet_addr(address);
  return it;
}

static int open_socket(int port) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in any = endpoint("0.0.0.0", port);
  if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) < 0) fail("socket");
  return fd;
}

static int port_of(long flow) { return FIRST_PORT + flow % PORTS; }

/* A socket has one flow where there are sockets enough: then it is connected, which is what Linux is quickest with. */
static void open_clients(void) {
  clients = (int *)malloc(count * sizeof *clients);
  for (long i = 0; i < count; i++) {
    clients[i] = open_socket(0);
    if (flows > count) continue;
    struct sockaddr_in service = endpoint("10.0.0.10", port_of(i));
    if (connect(clients[i], (struct sockaddr *)&service, sizeof service) < 0) fail("connect");
  }
}

static void send_one(long flow) {
  int fd = clients[flow % count];
  if (flows <= count) {
    if (send(fd, payload, PAYLOAD, 0) != PAYLOAD) fail("send");
    return;
  }
  struct sockaddr_in service = endpoint("10.0.0.10", port_of(flow));
  struct iovec data = {payload, PAYLOAD};
  union {
    char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct cmsghdr align;
  } control;
  struct msghdr message;
  memset(&message, 0, sizeof message);
  memset(&control, 0, sizeof control);
  message.msg_name = &service;
  message.msg_namelen = sizeof service;
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = IPPROTO_IP;
  header->cmsg_type = IP_PKTINFO;
  header->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
  struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(header);
  info->ipi_spec_dst.s_addr = htonl(ntohl(inet_addr("10.1.0.2")) + flow / per_address);
  if (sendmsg(fd, &message, 0) != PAYLOAD) fail("sendmsg");
}

static long receive_some(void) {
  long received = 0;
  char buffer[2048];
  for (int i = 0; i < PORTS; i++)
    while (recv(servers[i], buffer, sizeof buffer, MSG_DONTWAIT) >= 0) received++;
  return received;
}

/* A burst is lost when nothing came for a second. */
static void send_all(long from, long packets) {
  for (long sent = 0; sent < packets;) {
    long burst = packets - sent < IN_FLIGHT ? packets - sent : IN_FLIGHT;
    for (long i = 0; i < burst; i++) send_one((from + sent + i) % flows);
    sent += burst;
    time_t deadline = time(NULL) + 2;
    for (long received = 0; received < burst; received += receive_some())
      if (time(NULL) > deadline) {
        fprintf(stderr, "%ld of %ld packets arrived\n", received, burst);
        exit(1);
      }
  }
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  flows = atol(argv[3]);
  per_address = atol(argv[4]);
  long packets = atol(argv[5]);
  count = flows < per_address ? flows : per_address;
  struct rlimit files = {(rlim_t)count + 64, (rlim_t)count + 64};
  if (setrlimit(RLIMIT_NOFILE, &files) < 0) fail("setrlimit");
  enter(argv[2]);
  for (int i = 0; i < PORTS; i++) servers[i] = open_socket(FIRST_PORT + i);
  enter(argv[1]);
  open_clients();
  send_all(0, flows);
  struct timespec began, ended;
  clock_gettime(CLOCK_MONOTONIC, &began);
  send_all(0, packets);
  clock_gettime(CLOCK_MONOTONIC, &ended);
  double seconds = (ended.tv_sec - began.tv_sec) + (ended.tv_nsec - began.tv_nsec) / 1e9;
  printf("%.0f\n", packets / seconds);
  return 0;
}
