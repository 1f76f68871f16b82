{{/* Names and labels. */}}
{{- define "doorward.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "doorward.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "doorward.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "doorward.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "doorward.selector" -}}
app.kubernetes.io/name: {{ include "doorward.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "doorward.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: doorward
{{ include "doorward.selector" . }}
{{- end }}

{{- define "doorward.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "doorward.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "doorward.secret" -}}
{{- .Values.existingSecret | default (include "doorward.fullname" .) }}
{{- end }}

{{- define "doorward.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "doorward.middleware" -}}
{{- .Values.ingressroute.middleware.name | default (include "doorward.fullname" .) }}
{{- end }}

{{/* "true" where the store is a Redis, and several replicas can share it. */}}
{{- define "doorward.shared" -}}
{{- if or .Values.redis.enabled .Values.redis.url }}true{{ end }}
{{- end }}

{{- define "doorward.basePath" -}}
{{- dig "server" "base_path" "/rbac" .Values.config }}
{{- end }}

{{/* Hosts of Doorward's pages: those of a list, else the external URL's. */}}
{{- define "doorward.hosts" -}}
{{- if .hosts }}
{{- toJson .hosts }}
{{- else if .root.Values.externalUrl }}
{{- toJson (list (urlParse .root.Values.externalUrl).hostname) }}
{{- else }}
{{- toJson (list) }}
{{- end }}
{{- end }}

{{/* doorward.yaml: what the chart knows, and over it what `config` says. */}}
{{- define "doorward.config" -}}
{{- $secrets := "/run/secrets/doorward" }}
{{- $server := dict "listen" "0.0.0.0:8000" "drain" (printf "%ds" (int .Values.drainSeconds)) }}
{{- with .Values.externalUrl }}{{ $_ := set $server "external_url" . }}{{ end }}
{{- with .Values.trustedProxies }}{{ $_ := set $server "trusted_proxies" . }}{{ end }}
{{- $config := dict "data_dir" "/var/lib/doorward" "server" $server "ops" (dict "listen" "0.0.0.0:9000") }}
{{- if or .Values.existingSecret (hasKey .Values.secrets "DOORWARD_SESSION_KEYS") }}
{{- $_ := set $config "session" (dict "keys_file" (printf "%s/DOORWARD_SESSION_KEYS" $secrets)) }}
{{- end }}
{{- if or .Values.existingSecret (hasKey .Values.secrets "PEPPER") }}
{{- $_ := set $config "tokens" (dict "pepper_file" (printf "%s/PEPPER" $secrets)) }}
{{- end }}
{{- if include "doorward.shared" . }}
{{- $store := dict "url" (.Values.redis.url | default (printf "redis://%s-redis:6379/0" (include "doorward.fullname" .))) }}
{{- with .Values.redis.passwordKey }}{{ $_ := set $store "password_file" (printf "%s/%s" $secrets .) }}{{ end }}
{{- with .Values.redis.username }}{{ $_ := set $store "username" . }}{{ end }}
{{- $_ := set $config "store" $store }}
{{- end }}
{{- if or .Values.roleMapping .Values.policy }}
{{- $_ := set $config "policy" (dict "file" "/etc/doorward/policy/policy.yaml") }}
{{- end }}
{{- toYaml (mustMergeOverwrite $config (deepCopy .Values.config)) }}
{{- end }}

{{/* What would not work, or would not be safe: said before anything is installed. */}}
{{- define "doorward.check" -}}
{{- $several := or (gt (int .Values.replicaCount) 1) .Values.autoscaling.enabled }}
{{- if and $several (not (include "doorward.shared" .)) }}
{{- fail "\n\nreplicaCount above 1 (or autoscaling.enabled) needs a store that the replicas share: the embedded SQLite belongs to one process. Set redis.enabled: true, or redis.url to a Redis that is there already.\n" }}
{{- end }}
{{- if and .Values.redis.enabled .Values.redis.url }}
{{- fail "\n\nredis.enabled runs a Redis here, and redis.url names one elsewhere: keep one of the two.\n" }}
{{- end }}
{{- if and .Values.redis.enabled (ne .Values.redis.passwordKey "REDIS_PASSWORD") }}
{{- fail "\n\nredis.enabled: the password of the Redis here is the Secret's key REDIS_PASSWORD; leave redis.passwordKey as it is.\n" }}
{{- end }}
{{- if and (include "doorward.shared" .) (not .Values.existingSecret) }}
{{- $needed := list "DOORWARD_SESSION_KEYS" "PEPPER" }}
{{- with .Values.redis.passwordKey }}{{ $needed = append $needed . }}{{ end }}
{{- range $key := $needed }}
{{- if not (hasKey $.Values.secrets $key) }}
{{- fail (printf "\n\nWith Redis all replicas need the same secrets, and %s is missing. Make a Secret and name it in existingSecret:\n\n  kubectl create secret generic doorward --namespace %s \\\n    --from-literal=DOORWARD_SESSION_KEYS=\"$(openssl rand -base64 32)\" \\\n    --from-literal=PEPPER=\"$(openssl rand -hex 32)\" --from-literal=REDIS_PASSWORD=\"$(openssl rand -hex 32)\"\n" $key $.Release.Namespace) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.existingSecret .Values.secrets }}
{{- fail "\n\nexistingSecret and secrets are both set: keep one of the two.\n" }}
{{- end }}
{{- if and .Values.roleMapping .Values.policy }}
{{- fail "\n\nroleMapping and policy are two ways to say the same: keep one of the two.\n" }}
{{- end }}
{{- range $section, $keys := dict "server" (list "external_url" "trusted_proxies" "drain") "store" (list "url") "policy" (list "file") }}
{{- range $key := $keys }}
{{- if hasKey (dig $section (dict) $.Values.config) $key }}
{{- fail (printf "\n\nconfig.%s.%s is set by the chart; use its own value (externalUrl, trustedProxies, drainSeconds, redis, roleMapping, policy).\n" $section $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.ingressroute.enabled }}
{{- $copied := list }}
{{- range .Values.ingressroute.middleware.spec.forwardAuth.authResponseHeaders }}{{ $copied = append $copied (lower .) }}{{ end }}
{{- range $name := list "X-Auth-User" "X-User-Id" "X-Auth-Email" "X-Auth-Name" "X-Auth-Roles" "X-Auth-Permissions" "X-Auth-Method" "X-Auth-Assertion" }}
{{- if not (has (lower $name) $copied) }}
{{- fail (printf "\n\ningressroute.middleware.spec.forwardAuth.authResponseHeaders lacks %s: a client could send that header itself, and services would believe it.\n" $name) }}
{{- end }}
{{- end }}
{{- $strip := dig "forward_auth" "strip_credentials" false .Values.config }}
{{- range $name := list "Cookie" "Authorization" }}
{{- if and $strip (not (has (lower $name) $copied)) }}
{{- fail (printf "\n\nconfig.forward_auth.strip_credentials is on, and authResponseHeaders lacks %s: services would get the credential all the same. Add it, or switch both off.\n" $name) }}
{{- else if and (not $strip) (has (lower $name) $copied) }}
{{- fail (printf "\n\nauthResponseHeaders has %s, and config.forward_auth.strip_credentials is off: services would get no cookie at all. Switch it on, or take Cookie and Authorization out.\n" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Variables of the container. */}}
{{- define "doorward.env" -}}
{{- with .Values.keycloak }}
{{- range $name, $value := dict "KEYCLOAK_URL" .url "KEYCLOAK_REALM" .realm "KEYCLOAK_DISCOVERY_URL" .discoveryUrl "KEYCLOAK_AUDIENCE" .audience }}
{{- if $value }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
