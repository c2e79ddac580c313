# The networks. Namespaces rs1..rsN hold the real servers, cl the client; the machine itself is the director.
#
# routed  rsI is 10.9.I.2/24 and fd00:9:I::2/64, its default route the director (.1, ::1); cl is 10.8.0.2/24 and fd00:8::2/64 likewise.
#         VIP 10.100.0.1 and fd00:100::1 on the dummy interface vip0. Forwarding is on: masquerading works at once.
# flat    One segment, a switch in the namespace sw: the director's eth0 is 10.9.0.1/24, rsI 10.9.0.(10+I), cl 10.9.0.200. No routes,
#         no forwarding, no VIP: direct routing, tunnels and full NAT are set up by whoever needs them.
# none    Nothing but lo.
topology_none() { :; }

topology_routed() {
  sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0
  local i
  {
    for i in $(seq 1 "$SERVERS"); do link_to "rs$i" "10.9.$i" "fd00:9:$i:"; done
    link_to cl 10.8.0 "fd00:8:"
    echo "link add vip0 type dummy
link set vip0 up
addr add 10.100.0.1/32 dev vip0
addr add fd00:100::1/128 dev vip0 nodad"
  } | ip -batch - || return
  for i in $(seq 1 "$SERVERS"); do far_end "10.9.$i" "fd00:9:$i:" | ip -n "rs$i" -batch - || return; done
  far_end 10.8.0 "fd00:8:" | ip -n cl -batch -
}

link_to() { # NAMESPACE, first three numbers of its IPv4 addresses, first groups of its IPv6 addresses
  echo "netns add $1
link add v$1 type veth peer name eth0 netns $1
addr add $2.1/24 dev v$1
addr add $3:1/64 dev v$1 nodad
link set v$1 up"
}

far_end() {
  echo "link set lo up
addr add $1.2/24 dev eth0
addr add $2:2/64 dev eth0 nodad
link set eth0 up
route add default via $1.1
route add default via $2:1"
}

topology_flat() {
  sysctl -qw net.ipv6.conf.default.accept_dad=0
  local i
  {
    echo "netns add sw"
    for i in $(seq 1 "$SERVERS"); do echo "netns add rs$i"; done
    echo "netns add cl"
  } | ip -batch - || return
  {
    echo "link add br0 type bridge
link set br0 up
link set lo up"
    # The bridge floods its latest port first: servers hear an ARP request before the director, which is the worse case.
    plug_in director "peer name lb0"
    plug_in cl "peer name eth0 netns cl"
    for i in $(seq 1 "$SERVERS"); do plug_in "rs$i" "peer name eth0 netns rs$i"; done
  } | ip -n sw -batch - || return
  ip -n sw link set lb0 netns 1 name eth0 || return
  printf 'addr add 10.9.0.1/24 dev eth0\nlink set eth0 up\n' | ip -batch - || return
  for i in $(seq 1 "$SERVERS"); do on_segment "10.9.0.$((10 + i))" | ip -n "rs$i" -batch - || return; done
  on_segment 10.9.0.200 | ip -n cl -batch -
}

plug_in() {
  echo "link add p-$1 type veth $2
link set p-$1 master br0 up"
}

on_segment() {
  echo "link set lo up
addr add $1/24 dev eth0
link set eth0 up"
}
