#!/usr/bin/env bash
# nginx in front of doorward, with deployment/nginx.
. "$(dirname "$0")/../lib.sh"
. "$INTEROP/proxies/guest.sh"

[ -x /usr/sbin/nginx ] || command -v nginx >/dev/null || need_packages nginx
PATH=$PATH:/usr/sbin
proxy_journey nginx "$(command -v nginx)"
