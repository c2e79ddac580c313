/** Whole files shown in director.conf(5); a test reads each of them as director would. */
export const EXAMPLES: readonly { readonly title: string; readonly text: string }[] = [
  {
    title: "Two web servers, the second one a standby that is drained to",
    text: `services:
  - name: web
    vip: 192.0.2.10:80
    check: { type: http, path: /healthz }
    servers:
      - { name: old, address: "10.0.0.11:8080", weight: 100 }
      - { name: new, address: "10.0.0.12:8080", weight: 0 }
`,
  },
  {
    title: "IPv4 and IPv6 in front of one pool, with a sorry server and a slow start",
    text: `http:
  listen: ["127.0.0.1:9180"]
defaults:
  forward: masquerade
  check: { type: http, path: /healthz, interval: 2s, fall: 3, rise: 2 }
pools:
  app:
    servers:
      - { name: app1, address: 10.0.0.11, labels: { color: blue } }
      - { name: app2, address: 10.0.0.12, labels: { color: green } }
services:
  - name: api
    vips: ["192.0.2.11:80", "192.0.2.11:8080"]
    pool: app
    port: 9080
    quorum: { up: 1, down: 1 }
    sorry_server: { address: "10.0.0.99:80" }
    slow_start: 30s
    check: { path: /ready }          # the rest comes from defaults
`,
  },
  {
    title: "DNS over UDP, checked by a query; direct routing, so the check names its port",
    text: `services:
  - name: dns
    vip: 192.0.2.53:53
    protocol: udp
    forward: direct
    check: { type: dns, name: example.com, record: A, port: 53 }
    servers:
      - { name: ns1, address: 10.0.0.21 }
      - { name: ns2, address: 10.0.0.22 }
`,
  },
  {
    title: "Everything behind a firewall mark, clients kept together by /24, and a hook",
    text: `hooks:
  - on: [service.quorum-lost, service.quorum-regained]
    url: "https://chat.example.com/hooks/abc"
services:
  - name: shop
    fwmark: 7
    family: ipv4
    persistence: { timeout: 5m, netmask: 255.255.255.0 }
    check:
      type: https
      port: 443
      host: shop.example.com
      expect: { status: [200, 301] }
    servers:
      - { name: shop1, address: 10.0.0.31 }
      - { name: shop2, address: 10.0.0.32 }
`,
  },
];
