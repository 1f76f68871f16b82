#!/usr/bin/env bash
# inside.sh RUN TOOLS PROGRAM=PATH…: the cluster and the journey through it, in namespaces of their own, which guests/kubernetes.sh has made.
# Nothing here is seen from outside, and nothing outlives it.
. "$(dirname "$0")/../lib.sh"

RUN=$1 TOOLS=$2
shift 2
NODE=198.18.0.1
PORT=6443
export PATH=$TOOLS/bin:$PATH KUBECONFIG=$RUN/kubeconfig HELM_CACHE_HOME=$RUN/helm HELM_CONFIG_HOME=$RUN/helm HELM_DATA_HOME=$RUN/helm
cd "$RUN"

# A bridge for the pods, whose first address is the node's.
ip link set lo up
ip link add br0 type bridge
ip addr add "$NODE/16" dev br0
ip link set br0 up
# Where browsers find the site: at Traefik, the first pod of its namespace.
printf '127.0.0.1 localhost\n198.18.2.1 apps.example.com\n' >hosts
mount --bind hosts /etc/hosts

quietly openssl.log openssl genrsa -out sa.key 2048
quietly openssl.log openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.crt -days 2 -subj /CN=kube-apiserver \
  -addext "subjectAltName=IP:$NODE,IP:127.0.0.1"
quietly openssl.log openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout site.key -out site.pem -days 2 \
  -subj /CN=apps.example.com -addext subjectAltName=DNS:apps.example.com
TOKEN=$(openssl rand -hex 16)
echo "$TOKEN,admin,1,\"system:masters\"" >tokens.csv
cat >kubeconfig <<Y
{apiVersion: v1, kind: Config, current-context: test, contexts: [{name: test, context: {cluster: test, user: test}}],
 clusters: [{name: test, cluster: {server: "https://$NODE:$PORT", certificate-authority: "$RUN/tls.crt"}}], users: [{name: test, user: {token: $TOKEN}}]}
Y
chmod 600 kubeconfig tokens.csv

etcd --data-dir "$RUN/etcd" --unsafe-no-fsync --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster default=http://127.0.0.1:2380 \
  >etcd.log 2>&1 &
wait_for 30 curl -fs http://127.0.0.1:2379/health || { tail -n 20 etcd.log; give_up "etcd does not start"; }
kube-apiserver --etcd-servers=http://127.0.0.1:2379 --bind-address="$NODE" --secure-port="$PORT" --advertise-address="$NODE" \
  --endpoint-reconciler-type=none --tls-cert-file=tls.crt --tls-private-key-file=tls.key --service-account-key-file=sa.key \
  --service-account-signing-key-file=sa.key --service-account-issuer=https://kubernetes.default.svc --token-auth-file=tokens.csv \
  --authorization-mode=RBAC --service-cluster-ip-range=198.18.128.0/20 >apiserver.log 2>&1 &
wait_for 60 curl -fs --cacert tls.crt "https://$NODE:$PORT/readyz" || { tail -n 20 apiserver.log; give_up "kube-apiserver does not start"; }
# No node controller: the node here sends no signs of life.
kube-controller-manager --kubeconfig=kubeconfig --secure-port=0 --leader-elect=false --service-account-private-key-file=sa.key \
  --root-ca-file=tls.crt --controllers='*,-node-lifecycle-controller' --horizontal-pod-autoscaler-sync-period=2s >controllers.log 2>&1 &
python3 "$INTEROP/kubernetes/node.py" "$PORT" "$TOKEN" "$RUN" "$@" >node-output.log 2>&1 &

quietly crd.log kubectl apply --server-side -f "$TOOLS/kubernetes-crd-definition-v1.yml" || give_up "Traefik's definitions are refused"
quietly crd.log kubectl apply -f "$TOOLS/kubernetes-crd-rbac.yml" -f "$INTEROP/kubernetes/service-monitor-crd.yaml" || give_up "the definitions are refused"
quietly crd.log kubectl wait --for=condition=Established crd --all --timeout=30s || give_up "the definitions are not established"
step "the cluster is up: $(kubectl version -o json | python3 -c 'import json, sys; print(json.load(sys.stdin)["serverVersion"]["gitVersion"])')"

python3 "$INTEROP/kubernetes/journey.py" "$RUN" "$@"
