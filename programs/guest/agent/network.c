/* The guest's links, addresses and routes by rtnetlink: several messages in one call, one answer each. */
#include "container.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH_SIZE 2048

struct batch {
	uint8_t data[BATCH_SIZE] __attribute__((aligned(8)));
	size_t used;
	struct nlmsghdr *last;
	uint32_t count;
};

/* Only the last message of a batch asks for an answer (batch_run); errors are answered in any case. */
static void *batch_add(struct batch *b, uint16_t type, uint16_t flags, const void *body, size_t length)
{
	struct nlmsghdr *header = (struct nlmsghdr *)(b->data + b->used);
	*header = (struct nlmsghdr){.nlmsg_len = (uint32_t)NLMSG_LENGTH(length),
	                            .nlmsg_type = type,
	                            .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
	                            .nlmsg_seq = ++b->count};
	memcpy(NLMSG_DATA(header), body, length);
	b->used += NLMSG_ALIGN(header->nlmsg_len);
	b->last = header;
	return NLMSG_DATA(header);
}

static void batch_attribute(struct batch *b, uint16_t type, const void *data, size_t length)
{
	struct rtattr *attribute = (struct rtattr *)(b->data + b->used);
	attribute->rta_type = type;
	attribute->rta_len = (uint16_t)RTA_LENGTH(length);
	memcpy(RTA_DATA(attribute), data, length);
	b->used += RTA_ALIGN(attribute->rta_len);
	b->last->nlmsg_len = (uint32_t)(b->used - (size_t)((uint8_t *)b->last - b->data));
}

/* Sends all and waits for the last one's answer; returns 0, or the first error (positive errno). */
static int batch_run(struct batch *b)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return errno;
	int error = 0;
	bool answered = false;
	b->last->nlmsg_flags |= NLM_F_ACK;
	if (send(fd, b->data, b->used, 0) < 0) {
		error = errno;
		answered = true;
	}
	uint8_t answer[4096] __attribute__((aligned(8)));
	while (!answered) {
		ssize_t got = recv(fd, answer, sizeof answer, 0);
		if (got <= 0) {
			error = error != 0 ? error : errno;
			break;
		}
		size_t left = (size_t)got;
		for (struct nlmsghdr *h = (struct nlmsghdr *)answer; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			answered |= h->nlmsg_seq == b->count;
			int code = -((struct nlmsgerr *)NLMSG_DATA(h))->error;
			if (code != 0 && error == 0)
				error = code;
		}
	}
	close(fd);
	return error;
}

int network_loopback(struct fault *fault)
{
	struct batch b = {0};
	struct ifinfomsg up = {.ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	batch_add(&b, RTM_NEWLINK, 0, &up, sizeof up);
	int error = batch_run(&b);
	return error == 0 ? 0 : fault_set(fault, "internal", "loopback: %s", error_text(error));
}

struct nic {
	const char *name;
	struct bytes mac;
	struct bytes ipv4;
	uint8_t ipv4_prefix;
	struct bytes ipv6;
	uint8_t ipv6_prefix;
	struct bytes gateway;
	struct bytes gateway6;
	uint32_t mtu;
};

static void read_nic(struct reader *r, struct nic *nic)
{
	nic->name = read_string(r);
	nic->mac = read_bytes(r);
	nic->ipv4 = read_bytes(r);
	nic->ipv4_prefix = read_u8(r);
	nic->ipv6 = read_bytes(r);
	nic->ipv6_prefix = read_u8(r);
	nic->gateway = read_bytes(r);
	nic->gateway6 = read_bytes(r);
	nic->mtu = read_u32(r);
}

void skip_nic(struct reader *r)
{
	struct nic nic;
	read_nic(r, &nic);
}

static void add_address(struct batch *b, int link, uint8_t family, const struct bytes *address, uint8_t prefix)
{
	struct ifaddrmsg message = {
	    .ifa_family = family, .ifa_prefixlen = prefix, .ifa_index = (uint32_t)link, .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0};
	batch_add(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &message, sizeof message);
	batch_attribute(b, IFA_LOCAL, address->data, address->length);
	batch_attribute(b, IFA_ADDRESS, address->data, address->length);
	if (family == AF_INET && prefix < 31) {
		uint8_t broadcast[4];
		for (unsigned i = 0; i < 4; i++) {
			unsigned host_bits = prefix >= (i + 1) * 8 ? 0 : prefix <= i * 8 ? 8 : (i + 1) * 8 - prefix;
			broadcast[i] = (uint8_t)(address->data[i] | ((1u << host_bits) - 1));
		}
		batch_attribute(b, IFA_BROADCAST, broadcast, 4);
	}
}

static void add_default_route(struct batch *b, int link, const struct bytes *gateway)
{
	struct rtmsg message = {.rtm_family = gateway->length == 16 ? AF_INET6 : AF_INET,
	                        .rtm_table = RT_TABLE_MAIN,
	                        .rtm_protocol = RTPROT_BOOT,
	                        .rtm_scope = RT_SCOPE_UNIVERSE,
	                        .rtm_type = RTN_UNICAST};
	batch_add(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &message, sizeof message);
	batch_attribute(b, RTA_GATEWAY, gateway->data, gateway->length);
	batch_attribute(b, RTA_OIF, &link, sizeof link);
}

static bool sized(const struct bytes *bytes, uint32_t length)
{
	return bytes->length == 0 || bytes->length == length;
}

int network_configure(uint32_t index, struct reader *body, struct fault *fault)
{
	struct nic nic;
	char current[IFNAMSIZ];
	read_nic(body, &nic);
	if (body->bad || !sized(&nic.mac, 6) || !sized(&nic.ipv4, 4) || !sized(&nic.ipv6, 16) || !sized(&nic.gateway, 4) ||
	    !sized(&nic.gateway6, 16) || strlen(nic.name) >= IFNAMSIZ || nic.ipv4_prefix > 32 || nic.ipv6_prefix > 128)
		return fault_set(fault, "internal", "network: malformed interface");
	if (device_bind(VIRTIO_NET, index, current, sizeof current, fault) < 0)
		return -1;
	int link = (int)if_nametoindex(current);
	struct batch b = {0};
	/* The link is up since prepare: filling a receive queue takes time. Only a new name needs it down, beforehand. */
	struct ifinfomsg change = {.ifi_index = link};
	bool rename = strcmp(current, nic.name) != 0;
	if (rename) {
		struct ifinfomsg down = {.ifi_index = link, .ifi_change = IFF_UP};
		batch_add(&b, RTM_NEWLINK, 0, &down, sizeof down);
	}
	batch_add(&b, RTM_NEWLINK, 0, &change, sizeof change);
	if (rename)
		batch_attribute(&b, IFLA_IFNAME, nic.name, strlen(nic.name) + 1);
	if (nic.mac.length == 6)
		batch_attribute(&b, IFLA_ADDRESS, nic.mac.data, 6);
	if (nic.mtu > 0)
		batch_attribute(&b, IFLA_MTU, &nic.mtu, sizeof nic.mtu);
	struct ifinfomsg up = {.ifi_index = link, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	batch_add(&b, RTM_NEWLINK, 0, &up, sizeof up);
	if (nic.ipv4.length == 4)
		add_address(&b, link, AF_INET, &nic.ipv4, nic.ipv4_prefix);
	if (nic.ipv6.length == 16) {
		/* Addresses and routes come from the host; neighbours that pose as routers are not listened to. */
		static const char *const quiet[][2] = {{"accept_ra", "0"}, {"autoconf", "0"}, {"accept_redirects", "0"}, {"disable_ipv6", "0"}};
		for (size_t i = 0; i < sizeof quiet / sizeof quiet[0]; i++) {
			char path[96];
			snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/%s", current, quiet[i][0]);
			file_write(path, quiet[i][1]);
		}
		add_address(&b, link, AF_INET6, &nic.ipv6, nic.ipv6_prefix);
	}
	if (nic.gateway.length > 0)
		add_default_route(&b, link, &nic.gateway);
	if (nic.gateway6.length > 0)
		add_default_route(&b, link, &nic.gateway6);
	int error = batch_run(&b);
	if (error != 0)
		return fault_set(fault, "network-failed", "configuring %s: %s", nic.name, error_text(error));
	device_renamed(VIRTIO_NET, index, nic.name);
	return 0;
}

int network_remove(const char *name, struct fault *fault)
{
	int link = (int)if_nametoindex(name);
	if (link == 0)
		return fault_set(fault, "device-missing", "there is no interface %s", name);
	/* Down and nameless: its device may be configured again for another network. */
	char spare[IFNAMSIZ];
	snprintf(spare, sizeof spare, "spare%d", link);
	struct batch b = {0};
	struct ifinfomsg down = {.ifi_index = link, .ifi_change = IFF_UP};
	batch_add(&b, RTM_NEWLINK, 0, &down, sizeof down);
	/* In a message of its own: the kernel would rename first, and only a link that is down can be renamed. */
	struct ifinfomsg rename = {.ifi_index = link};
	batch_add(&b, RTM_NEWLINK, 0, &rename, sizeof rename);
	batch_attribute(&b, IFLA_IFNAME, spare, strlen(spare) + 1);
	struct ifaddrmsg any = {.ifa_index = (uint32_t)link};
	int error = batch_run(&b);
	if (error == 0)
		device_renamed_link(name, spare);
	/* Addresses go one by one, since rtnetlink has no flush; disabling IPv6 drops those of IPv6. */
	for (int i = 0; error == 0 && i < 16; i++) {
		struct batch one = {0};
		any.ifa_family = AF_INET;
		batch_add(&one, RTM_DELADDR, 0, &any, sizeof any);
		if (batch_run(&one) != 0)
			break;
	}
	char path[96];
	snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", spare);
	file_write(path, "1");
	return error == 0 ? 0 : fault_set(fault, "network-failed", "removing %s: %s", name, error_text(error));
}

void network_bind_all(void)
{
	struct fault ignored;
	char name[16];
	struct batch b = {0};
	uint32_t count = device_count(VIRTIO_NET);
	for (uint32_t i = 0; i < count; i++)
		if (device_bind(VIRTIO_NET, i, name, sizeof name, &ignored) == 0) {
			struct ifinfomsg up = {.ifi_index = (int)if_nametoindex(name), .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
			batch_add(&b, RTM_NEWLINK, 0, &up, sizeof up);
		}
	if (b.count > 0)
		batch_run(&b);
}

/* TEST-NET-1 (RFC 5737): nobody's addresses. */
static const uint8_t test_address[] = {192, 0, 2, 1}, test_gateway[] = {192, 0, 2, 2};

void network_warm_up(void)
{
	struct fault ignored;
	char name[16];
	if (device_count(VIRTIO_NET) == 0 || device_bind(VIRTIO_NET, 0, name, sizeof name, &ignored) < 0)
		return;
	int link = (int)if_nametoindex(name);
	struct batch b = {0};
	add_address(&b, link, AF_INET, &(struct bytes){test_address, 4}, 24);
	add_default_route(&b, link, &(struct bytes){test_gateway, 4});
	struct ifaddrmsg gone = {.ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = (uint32_t)link};
	batch_add(&b, RTM_DELADDR, 0, &gone, sizeof gone);
	batch_attribute(&b, IFA_LOCAL, test_address, 4);
	batch_run(&b);
}

void network_rehearse(void)
{
	struct fault ignored;
	char name[16];
	uint32_t count = device_count(VIRTIO_NET);
	for (uint32_t i = 0; i < count; i++) {
		if (device_bind(VIRTIO_NET, i, name, sizeof name, &ignored) < 0)
			continue;
		struct batch b = {0};
		struct ifinfomsg change = {.ifi_index = (int)if_nametoindex(name), .ifi_change = IFF_UP};
		batch_add(&b, RTM_NEWLINK, 0, &change, sizeof change);
		batch_attribute(&b, IFLA_IFNAME, "rehearsal", 10);
		change.ifi_flags = IFF_UP;
		batch_add(&b, RTM_NEWLINK, 0, &change, sizeof change);
		add_address(&b, change.ifi_index, AF_INET, &(struct bytes){test_address, 4}, 24);
		add_default_route(&b, change.ifi_index, &(struct bytes){test_gateway, 4});
		batch_run(&b);
		device_unbind(VIRTIO_NET, i);
	}
}

void network_flush_neighbours(void)
{
	/* Taking a link down empties its part of the cache; a clone's links are new, so only what was inherited is left. */
	file_write("/proc/sys/net/ipv4/route/flush", "1");
}
