#!/bin/sh
# Installs director from the folder that this script came in, or takes it away again. Shows every command it runs; may be run again at any time,
# above all from a newer tarball. As root; needs nothing from the network.
set -eu
umask 022

here=$(dirname -- "$(readlink -f -- "$0")")
list=usr/lib/director/files
config=/etc/director/director.conf

usage() {
  cat <<TEXT
usage: ./install.sh [--uninstall | --purge]
  Installs director below /usr, its user and its unit, enables and starts it; where it runs already, it is restarted, and neither the kernel's
  table nor a connection is touched. A configuration that is there is kept; with one that this version refuses the old process goes on.
  --uninstall  stops and removes the program; configuration, state and the kernel's table stay.
  --purge      removes configuration and state as well.
TEXT
}

say() { echo "director: $*"; }
stop() {
  echo "director: $*" >&2
  exit 1
}
run() {
  echo "+ $*"
  "$@"
}

# Everything that can be wrong, before anything is done.
check() {
  root_only
  [ -d /run/systemd/system ] || stop "systemd does not run here"
  [ -f "$here/$list" ] || stop "run this script where the tarball was unpacked: there is no $here/$list"
  for tool in /usr/sbin/ipvsadm modprobe setpriv systemd-sysusers; do
    command -v "$tool" >/dev/null || stop "$tool is missing: install ipvsadm, kmod, util-linux and systemd"
  done
  "$here/usr/lib/director/node" --version >/dev/null || stop "the Node in this tarball does not run on this machine ($(uname -m)), see above"
  not_a_package
  if [ -L /usr/bin/director ]; then
    stop "/usr/bin/director belongs to a checkout: run its systemd/install.sh --uninstall first"
  fi
}

root_only() { [ "$(id -u)" = 0 ] || stop "this needs root: sudo $0"; }

not_a_package() {
  if command -v dpkg >/dev/null && dpkg --search /usr/bin/director >/dev/null 2>&1; then
    stop "director is installed as a package: apt-get remove director, or install the newer .deb"
  fi
}

install() {
  check
  if [ -f "/$list" ]; then cp "/$list" "/$list.before"; fi
  say "copying $(wc -l <"$here/$list") files below /usr"
  # tar puts a new file in the place of an old one: what runs keeps the one it has. Whoever unpacked them, with whatever umask: they are root's.
  listed "$here/$list" | sed 's|^|./|' | tar -C "$here" --create --mode=u=rwX,go=rX --files-from=- |
    tar -C / --extract --no-same-owner --same-permissions
  if [ -f "/$list.before" ]; then
    grep -Fxv -f "/$list" "/$list.before" >"/$list.gone" || true
    remove "/$list.gone"
    rm "/$list.before" "/$list.gone"
  fi
  if [ ! -e "$config" ]; then
    run mkdir -p /etc/director
    run cp "$here/etc/director/director.conf" "$config"
  fi
  # What another Node has compiled; what this one has finds its own again, which makes the restart short.
  if [ -d /var/cache/director ]; then
    find /var/cache/director -mindepth 1 -maxdepth 1 ! -name "$(/usr/lib/director/node --version)-*" -exec rm -rf {} +
  fi
  run systemd-sysusers /usr/lib/sysusers.d/director.conf
  run systemctl daemon-reload
  start
}

start() {
  if ! systemctl --quiet is-active director.service; then
    run systemctl enable director.service
    run systemctl start director.service
  elif (cd / && setpriv --reuid=director --regid=director --init-groups -- /usr/bin/director config test "$config" >/dev/null); then
    run systemctl restart director.service
  else
    stop "installed, not restarted: this version refuses $config, see above. Mend it, then: systemctl restart director"
  fi
  say "runs: director status"
}

# What a list has for /usr: the configuration is the administrator's.
listed() { grep -v '^etc/' "$1"; }

# Takes away the files of a list, and folders of ours that are empty then.
remove() {
  listed "$1" | sed 's|^|/|' | xargs rm -f
  find /usr/lib/director /usr/share/doc/director -depth -type d -empty -delete 2>/dev/null || true
}

uninstall() {
  root_only
  not_a_package
  if [ -f "/$list" ]; then
    run systemctl disable --now director.service
    say "removing $(wc -l <"/$list") files"
    remove "/$list"
    run systemctl daemon-reload
  fi
  run rm -rf /var/cache/director /run/director
}

case ${1-} in
  "") install ;;
  --uninstall)
    uninstall
    say "removed. Left as they are: the kernel's table (ipvsadm -Ln), /etc/director, /var/lib/director, user and group director."
    ;;
  --purge)
    uninstall
    run rm -rf /etc/director /var/lib/director
    say "removed with configuration and state. Left as they are: the kernel's table (ipvsadm -Ln), user and group director."
    ;;
  -h | --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
