#!/usr/bin/env bash
# Doorward on a plain machine: the Debian package and `make install`, in a Debian of their own with systemd.
. "$(dirname "$0")/../lib.sh"
. "$INTEROP/debian/machine.sh"
trap machine_off EXIT

CARGO_DEB=3.8.0
TOOLS=$CACHE/debian
failed=0
fail() { bad "$*"; failed=1; }
# check WHAT COMMAND…: whether it succeeds. not_so: whether it fails.
# shellcheck disable=SC2317  # what they are given is called by name
check() { local what=$1; shift; if quietly "$TOOLS/check.log" "$@"; then ok "$what"; else fail "$what"; fi; }
not_so() { local what=$1; shift; if "$@" >"$TOOLS/check.log" 2>&1; then fail "$what"; else ok "$what"; fi; }
# same WHAT EXPECTED SEEN
same() { if [ "$2" = "$3" ]; then ok "$1"; else fail "$1: \"$3\" instead of \"$2\""; fi; }

[ "$(id -u)" = 0 ] || give_up "only root can make a machine to install into"
mkdir -p "$TOOLS"

# --- The package ------------------------------------------------------------------------------------------------------
if [ "$(cat "$TOOLS/cargo-deb.version" 2>/dev/null)" != "$CARGO_DEB" ]; then
  step "installing cargo-deb $CARGO_DEB (two minutes)"
  # Without liblzma, which would have to be compiled or found; the program xz does it.
  quietly "$CACHE/debian-cargo-deb.log" nice -n 10 cargo install --quiet --locked --debug --no-default-features \
    --root "$TOOLS" "cargo-deb@$CARGO_DEB" || give_up "cargo-deb"
  echo "$CARGO_DEB" >"$TOOLS/cargo-deb.version"
fi
doorward_binary
need_packages dpkg-dev binutils xz-utils

WORK=$TOOLS/work
rm -rf "$WORK"
mkdir -p "$WORK/target/release"
# Packages are of the released program; which one is packed does not matter here, and this one is compiled.
install -m 755 "$DOORWARD" "$WORK/target/release/doorward"
cd "$ROOT"
check "the program writes its manual pages and completions" make --no-print-directory pages PROGRAM="$DOORWARD"
check "cargo-deb makes the package" env CARGO_TARGET_DIR="$WORK/target" "$TOOLS/bin/cargo-deb" deb --no-build --locked --fast \
  --output "$WORK/one.deb" || give_up "no package"
VERSION=$(dpkg-deb -f "$WORK/one.deb" Version)
same "the configuration is a conffile, and nothing else is" /etc/doorward/doorward.yaml "$(dpkg-deb -I "$WORK/one.deb" conffiles)"
check "it depends on the C library by its version" grep -qE 'libc6 \(>= ' <(dpkg-deb -f "$WORK/one.deb" Depends)
dpkg-deb -c "$WORK/one.deb" >"$WORK/contents"
check "it has the manual, the completions and the documentation" sh -c "for file in man1/doorward-serve.1.gz \
  bash-completion/completions/doorward vendor-completions/_doorward doorward/docs/configuration.md examples/doorward.socket; \
  do grep -q \"\$file\" $WORK/contents || exit 1; done"
same "all of it is root's, and nobody else may write" "" "$(grep -vE '^[-d]rw[-x]r-[-x]r-[-x] (root/root|0/0) ' "$WORK/contents" | grep -v '^l' || true)"

# The next version: another number, and another configuration as it comes.
dpkg-deb -R "$WORK/one.deb" "$WORK/two"
sed -i "s/^Version: .*/Version: $VERSION+next/" "$WORK/two/DEBIAN/control"
echo '# A remark of the next version.' >>"$WORK/two/etc/doorward/doorward.yaml"
dpkg-deb -b -Zgzip "$WORK/two" "$WORK/two.deb" >/dev/null

check "its sandbox: systemd-analyze calls it OK or better" sh -c \
  'systemd-analyze security --offline=true --no-pager --threshold=20 deployment/systemd/doorward.service'
machine_base
step "a machine with systemd starts"
machine_boot
ok "a machine with systemd runs"
put() { cp "$1" "/proc/$MACHINE/root/root/$(basename "$1")"; }
put "$WORK/one.deb"
put "$WORK/two.deb"
property() { inside systemctl show doorward -p "$1" --value; }
status() { inside stat -c '%a %U:%G' "$1"; }
ask() { inside curl -s -o /dev/null -m 5 -w '%{http_code}' "$@" || true; }
decision() { # PATH: what /auth says of it
  ask -H 'X-Forwarded-Method: GET' -H 'X-Forwarded-Proto: https' -H 'X-Forwarded-Host: app.example.com' \
    -H "X-Forwarded-Uri: $1" http://127.0.0.1:8000/auth
}
journal() { inside journalctl -u doorward --no-pager -o cat "$@"; }

# --- Installed, without a configuration -------------------------------------------------------------------------------
check "it installs" inside dpkg -i /root/one.deb
same "its user can do nothing but be it" "/var/lib/doorward:/usr/sbin/nologin" "$(inside getent passwd doorward | cut -d: -f6,7)"
same "the configuration's folder is root's, and doorward reads it" "750 root:doorward" "$(status /etc/doorward)"
same "the data's folder is doorward's alone" "700 doorward:doorward" "$(status /var/lib/doorward)"
same "the unit is enabled" enabled "$(inside systemctl is-enabled doorward || true)"
same "and not started: nobody could sign in" inactive "$(inside systemctl is-active doorward || true)"
check "as it comes, it starts" inside systemctl start doorward
same "and lets nobody in" 401 "$(decision /one/x)"
echo 'server: { listn: 127.0.0.1:8000 }' | into /etc/doorward/doorward.yaml
not_so "with a fault in its configuration it does not start" inside systemctl restart doorward
same "once, as trying again does not mend it" "0 exit-code" "$(property NRestarts) $(property Result)"
check "and the journal says what is wrong" grep -q 'server.listn' <(journal)

# --- Configured and started -------------------------------------------------------------------------------------------
into /etc/doorward/doorward.yaml <<'YAML'
# The operator's own.
server: { listen: 127.0.0.1:8000, external_url: https://auth.example.com }
providers: [{ id: google, kind: google, client_id: 1234.apps.googleusercontent.com }]
policy: { file: policy.yaml }
YAML
policy() { printf 'default: deny\nservices: { shop: { prefix: %s, public: true } }\n' "$1" | into /etc/doorward/policy.yaml; }
policy /one
# The secret is root's alone, and systemd hands it over.
echo 'a secret of the interop test' | into /etc/doorward/google.secret
inside chmod 600 /etc/doorward/google.secret
inside mkdir -p /etc/systemd/system/doorward.service.d
into /etc/systemd/system/doorward.service.d/secrets.conf <<'UNIT'
[Service]
LoadCredential=google.secret:/etc/doorward/google.secret
Environment=GOOGLE_CLIENT_SECRET_FILE=%d/google.secret
UNIT
inside systemctl daemon-reload
inside systemctl reset-failed doorward
check "it starts, with a secret by LoadCredential" inside systemctl start doorward
same "and serves when systemctl returns" 200 "$(ask http://127.0.0.1:8000/healthz)"
same "systemctl status says where" "serves at 127.0.0.1:8000" "$(property StatusText)"
not_so "the secret's own file is closed to it" inside setpriv --reuid doorward --regid doorward --clear-groups cat /etc/doorward/google.secret
PID=$(property MainPID)
has() { inside sed -n "s/^$1:\t//p" "/proc/$PID/status"; }
same "it is doorward, with no capability, no way to more, and a filter of system calls" "doorward 0000000000000000 1 2" \
  "$(inside ps -o user= -p "$PID" | tr -d ' ') $(has CapBnd) $(has NoNewPrivs) $(has Seccomp)"
same "its keys are closed to everybody else" "600 doorward:doorward" "$(status /var/lib/doorward/keys/session)"
same "the journal has its lines by priority" 6 \
  "$(inside journalctl -u doorward -o json --no-pager | grep 'doorward [0-9.]* serves' | sed 's/.*"PRIORITY":"\(.\)".*/\1/' | sort -u)"
check "each a JSON object" python3 -c 'import json, sys; json.loads(sys.argv[1])["message"]' "$(journal -p info..info | grep ' serves"' | tail -n 1)"

# --- Reload -----------------------------------------------------------------------------------------------------------
same "the policy decides" "200 403" "$(decision /one/x) $(decision /two/x)"
policy /two
check "systemctl reload" inside systemctl reload doorward
reloaded() { [ "$(decision /one/x) $(decision /two/x)" = "403 200" ]; }
check "the new policy decides" wait_for 5 reloaded
echo 'default: nonsense' | into /etc/doorward/policy.yaml
inside systemctl reload doorward
refused() { property StatusText | grep -q REFUSED; }
check "a policy with a fault is refused, and systemctl status says so" wait_for 5 refused
check "the journal says where the fault is, as an error" grep -q 'policy.yaml:1' <(journal -p err)
same "and the old one goes on" "403 200 active" "$(decision /one/x) $(decision /two/x) $(inside systemctl is-active doorward)"
policy /two
same "the same process all the while" "$PID" "$(property MainPID)"

# --- Restart, stop, a listener of systemd's -----------------------------------------------------------------------------
inside kill -9 "$PID"
restarted() { [ "$(ask http://127.0.0.1:8000/healthz)" = 200 ]; }
check "killed, it is started again" wait_for 20 restarted
check "it stops when asked" inside systemctl stop doorward
same "in order" success "$(property Result)"
check "the example of a socket unit fits" inside cp /usr/share/doc/doorward/examples/doorward.socket /etc/systemd/system/
inside systemctl daemon-reload
check "and is enabled" inside systemctl enable --now doorward.socket
same "nothing runs before somebody asks" inactive "$(inside systemctl is-active doorward || true)"
same "who asks first is answered" 200 "$(ask http://127.0.0.1:8000/healthz)"
(for _ in $(seq 30); do ask http://127.0.0.1:8000/healthz; echo; done) >"$WORK/during" &
asking=$!
check "a restart" inside systemctl restart doorward
wait "$asking"
same "in which nobody was refused" "     30 200" "$(sort "$WORK/during" | uniq -c)"
inside systemctl disable --now doorward.socket 2>/dev/null
inside rm /etc/systemd/system/doorward.socket
inside systemctl daemon-reload
check "without the socket unit it listens itself again" inside systemctl restart doorward

# --- The next version -------------------------------------------------------------------------------------------------
PID=$(property MainPID)
check "an upgrade, with an edited configuration" inside dpkg -i --force-confdef --force-confold /root/two.deb
check "keeps it" inside grep -q "The operator's own" /etc/doorward/doorward.yaml
check "and puts the new one beside it" inside grep -q 'next version' /etc/doorward/doorward.yaml.dpkg-dist
same "the program is the new one, and serves" "200 $VERSION+next" \
  "$(ask http://127.0.0.1:8000/healthz) $(inside dpkg-query -W -f '${Version}' doorward)"
if [ "$(property MainPID)" != "$PID" ]; then ok "it was restarted"; else fail "it was not restarted"; fi
inside systemctl stop doorward
check "an upgrade of one that is stopped" inside dpkg -i --force-confdef --force-confold /root/one.deb
same "does not start it" inactive "$(inside systemctl is-active doorward || true)"
inside systemctl start doorward

# --- Gone -------------------------------------------------------------------------------------------------------------
check "it is removed" inside dpkg -r doorward
same "nothing of it runs" "" "$(inside pgrep -u doorward || true)"
not_so "the program is gone" inside test -e /usr/bin/doorward
check "configuration and data stay" inside test -e /etc/doorward/doorward.yaml -a -e /var/lib/doorward/keys/session
check "it is purged" inside dpkg -P doorward
not_so "the data is gone" inside test -e /var/lib/doorward -o -e /var/log/doorward
not_so "the configuration is gone" inside test -e /etc/doorward/doorward.yaml
check "what the operator put beside it is not" inside test -e /etc/doorward/policy.yaml -a -e /etc/doorward/google.secret
same "the user stays, so that nobody else becomes it" doorward "$(inside id -un doorward)"
inside rm -rf /etc/doorward /etc/systemd/system/doorward.service.d
inside userdel doorward

# --- make install -----------------------------------------------------------------------------------------------------
STAGE=$WORK/stage
check "make install into a folder" make --no-print-directory install PROGRAM="$DOORWARD" DESTDIR="$STAGE"
find "$STAGE" -type f | sort >"$WORK/installed"
cp -a "$STAGE/." "/proc/$MACHINE/root/"
inside systemd-sysusers 2>/dev/null
inside systemd-tmpfiles --create 2>/dev/null || true
inside systemctl daemon-reload
same "the folders are as those of the package" "750 root:doorward 700 doorward:doorward" \
  "$(status /etc/doorward) $(status /var/lib/doorward)"
policy /one
echo 'policy: { file: policy.yaml }' | into /etc/doorward/doorward.yaml
check "systemd finds it in /usr/local, and starts it" inside systemctl enable --now doorward
same "it serves" "200 200" "$(ask http://127.0.0.1:8000/healthz) $(decision /one/x)"
same "by the program in /usr/local" /usr/local/bin/doorward "$(inside readlink "/proc/$(property MainPID)/exe")"
check "another make install" make --no-print-directory install PROGRAM="$DOORWARD" DESTDIR="/proc/$MACHINE/root"
check "leaves the configuration" inside grep -q '^policy: { file: policy.yaml }$' /etc/doorward/doorward.yaml
inside systemctl disable --now doorward 2>/dev/null
check "make uninstall" make --no-print-directory uninstall DESTDIR="/proc/$MACHINE/root"
left=$(while IFS= read -r file; do
  if [ -e "/proc/$MACHINE/root${file#"$STAGE"}" ]; then echo "${file#"$STAGE"}"; fi
done <"$WORK/installed")
same "leaves the configuration and nothing else" /etc/doorward/doorward.yaml "$left"

[ "$failed" -eq 0 ] || journal >"$CACHE/debian-journal.log" 2>&1 || true
exit "$failed"
