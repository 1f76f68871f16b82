# A machine to install into: the files of a Debian as small as can be, systemd as its first process, nothing of this
# machine's reachable but the kernel. Whatever is done to it is gone with it. Only root can make one.
# shellcheck shell=bash

MACHINE=        # its first process, as numbered here
MACHINE_DIR=    # what was changed in it
MACHINE_CGROUP=
MACHINE_PID=

# The release of this machine, so that a program compiled here runs there.
machine_base() {
  local release mirror packages=systemd,systemd-sysv,ca-certificates,curl,procps
  # shellcheck source=/dev/null
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  [ -n "$release" ] || give_up "this is no release of Debian or Ubuntu"
  need_packages debootstrap
  BASE=$CACHE/debian/$release
  [ "$(cat "$BASE.done" 2>/dev/null)" = "$packages" ] && return
  step "debootstrap $release (a minute)"
  rm -rf "$BASE"
  mkdir -p "$BASE"
  # Where this machine gets its own packages, if that is said in a way that debootstrap understands.
  mirror=$(sed -n 's/^URIs: *\(http[^ ]*\).*/\1/p; s/^deb \(http[^ ]*\) .*/\1/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null \
    | grep -v security | head -n 1 || true)
  quietly "$CACHE/debian-debootstrap.log" debootstrap --variant=minbase --include="$packages" "$release" "$BASE" ${mirror:+"$mirror"} \
    || give_up "debootstrap $release"
  rm -rf "$BASE"/var/cache/apt/archives/*.deb
  echo "$packages" >"$BASE.done"
}

machine_boot() {
  local hierarchy=/sys/fs/cgroup
  [ -f "$hierarchy/cgroup.procs" ] || hierarchy=/sys/fs/cgroup/unified
  [ -f "$hierarchy/cgroup.procs" ] || give_up "there is no cgroup2 hierarchy in /sys/fs/cgroup"
  MACHINE_DIR=$(mktemp -d "$CACHE/debian-machine.XXXXXX")
  mkdir "$MACHINE_DIR"/{changed,work,root}
  MACHINE_CGROUP=$hierarchy/doorward-interop-$$
  mkdir "$MACHINE_CGROUP"
  # shellcheck disable=SC2016
  unshare --fork --kill-child --pid --mount --uts --ipc --net bash -euc '
    base=$1 dir=$2 cgroup=$3
    echo 0 >"$cgroup/cgroup.procs"
    mount --make-rprivate /
    mount -t overlay overlay -o "lowerdir=$base,upperdir=$dir/changed,workdir=$dir/work" "$dir/root"
    cd "$dir/root"
    mount -t proc proc proc
    mount -t sysfs -o ro sysfs sys
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs -o mode=755 tmpfs dev
    for device in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "dev/${device%:*}" c 1 "${device#*:}"; done
    ln -s /proc/self/fd dev/fd
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    hostname machine
    echo 127.0.0.1 localhost machine >etc/hosts
    : >etc/machine-id
    # From here on its part of the cgroups is all that it sees of them. Mounts are shared, as systemd expects of a
    # container: credentials are mounted by a process of its own.
    exec unshare --cgroup bash -euc "
      mount -t cgroup2 cgroup2 sys/fs/cgroup
      mkdir -p .outside
      pivot_root . .outside
      exec env -i container=interop PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 /bin/sh -c \
        \"umount -l /.outside; rmdir /.outside; mount --make-rshared /; exec /lib/systemd/systemd --show-status=no\"
    "
  ' machine "$BASE" "$MACHINE_DIR" "$MACHINE_CGROUP" >"$CACHE/debian-machine.log" 2>&1 &
  MACHINE_PID=$!
  wait_for 30 machine_found || { tail -n 20 "$CACHE/debian-machine.log"; give_up "the machine does not start"; }
  wait_for 60 machine_is_up || { tail -n 20 "$CACHE/debian-machine.log"; give_up "the machine's systemd does not start"; }
}

machine_found() {
  MACHINE=$(pgrep -P "$MACHINE_PID" | head -n 1)
  [ -n "$MACHINE" ] && [ "$(cat "/proc/$MACHINE/comm")" = systemd ]
}

machine_is_up() {
  local state
  state=$(inside systemctl is-system-running || true)
  [ "$state" = running ] || [ "$state" = degraded ]
}

# inside COMMAND…: in the machine, as its root.
inside() {
  nsenter --target "$MACHINE" --mount --uts --ipc --net --pid --cgroup --root --wd \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# into PATH: standard input becomes a file of the machine.
into() { inside sh -c 'cat >"$1"' sh "$1"; }

machine_off() {
  [ -n "$MACHINE_PID" ] || return 0
  # Its first process ends all others of it.
  [ -z "$MACHINE" ] || kill -9 "$MACHINE" 2>/dev/null || true
  end "$MACHINE_PID"
  wait "$MACHINE_PID" 2>/dev/null || true
  [ -z "$MACHINE_CGROUP" ] || find "$MACHINE_CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
  [ -z "$MACHINE_DIR" ] || rm -rf --one-file-system "$MACHINE_DIR"
  MACHINE_PID=
}
