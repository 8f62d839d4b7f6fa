#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The page driver against a real web server, with and without TLS, and with a mail program that keeps what it was given.
# timeout: 120
. "$(dirname "$0")/common.sh"
needs jq python3 openssl

mkdir -p "$dir/lab"
key() { install -m 600 /dev/stdin "$dir/lab/$1"; }
printf 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' | key hook.secret
python3 -c 'print("Bearer " + "t" * 3000, end="")' | key hook.bearer
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/key.pem" -out "$dir/cert.pem" -days 2 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 2>/dev/null

cat >"$dir/server.py" <<'PY'
import base64, hashlib, hmac, http.server, json, os, socket, ssl, sys, threading
seen, folder = [], sys.argv[1]
KEY = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def do_GET(self): self.do_POST()
    def do_HEAD(self):
        with open(folder + "/heads.jsonl", "a") as file:
            file.write(json.dumps([self.path, "authorization" in self.headers, "webhook-signature" in self.headers]) + "\n")
        self.send_response(405)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        given = self.headers.get("webhook-signature", "")
        signed = "%s.%s." % (self.headers.get("webhook-id"), self.headers.get("webhook-timestamp"))
        good = "v1," + base64.b64encode(hmac.new(KEY, signed.encode() + body, hashlib.sha256).digest()).decode()
        with open(folder + "/seen.jsonl", "a") as file:
            file.write(json.dumps({"path": self.path, "method": self.command, "body": body.decode(), "signed": given == good,
                "id": self.headers.get("webhook-id"), "type": self.headers.get("content-type"),
                "bearer": len(self.headers.get("authorization", "")), "names": sorted(k.lower() for k in self.headers)}) + "\n")
        if self.path == "/slow":
            threading.Event().wait(8)
        if self.path == "/drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        status = int(self.path.strip("/")) if self.path.strip("/").isdigit() else 200
        answer = b"" if status == 204 else b"what the server says\x1b[31m"
        self.send_response(status)
        if status == 429: self.send_header("Retry-After", "7")
        if status == 302: self.send_header("Location", "/stolen")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
plain = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
secure = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
secure.socket = context.wrap_socket(secure.socket, server_side=True)
threading.Thread(target=secure.serve_forever, daemon=True).start()
with open(folder + "/ports.tmp", "w") as file: file.write("%d %d\n" % (plain.server_port, secure.server_port))
os.rename(folder + "/ports.tmp", folder + "/ports")
plain.serve_forever()
PY
python3 "$dir/server.py" "$dir" 2>"$dir/server.log" & # It complains of clients that do not wait.
pids+=($!)
await 20 test -e "$dir/ports" || { echo "the web server did not start"; exit 1; }
read -r port tls_port <"$dir/ports"

hosts=
host() { # NAME SETTINGS
    hosts="$hosts${hosts:+,}
    { name = \"$1\"; rack = \"r1\"; bmc = { driver = \"page\"; $2 }; }"
}
hook() { # NAME PATH [SETTINGS]
    host "$1" "url = \"http://127.0.0.1:$port/$2\"; ${3:-}"
}
call() { # WORDS
    printf 'hosts: (%s);\n' "$hosts" >"$dir/page.conf"
    answer=$("$NS_BUILD/tests/drive" "$bin/nightshift-spawn" "$NS_BUILD/drivers" "$dir/page.conf" "$dir/lab" 2>&1 <<<"$*")
}
code_is() { is "$1" "$(jq -r .code <<<"$answer")" "$2"; }
effect_is() { is "$1" "$(jq -r .effect_possible <<<"$answer")" "$2"; }
last() { tail -1 "$dir/seen.jsonl" | jq -r "$1"; }

hook signed T000/B000/secretpath 'secret = "file:hook.secret"; authorization = "file:hook.bearer";'
call "signed page title=r1h01 text=dead severity=major time_ms=1700000000000"
code_is "webhook" ok
is "its signature verifies (Standard Webhooks)" "$(last .signed)" true
is "the token is its id" "$(last .id)" a0
is "a long bearer token arrives whole" "$(last .bearer)" 3007
is "the body" "$(last '.body | fromjson | "\(.title) \(.text) \(.severity) \(.token)"')" "r1h01 dead major a0"
is "the path of a webhook is not told" "$(grep -c secretpath <<<"$answer" || true)" 0

hook templated hook 'template = "{\"s\": \"{{title}}\", \"t\": \"{{text}}\"}";'
call 'templated page title=a"b\c text={{title}}'
is "a templated body is JSON, texts in it are data" "$(last '.body | fromjson | "\(.s) \(.t)"')" 'a"b\c {{title}}'
hook unknown hook 'template = "{\"s\": \"{{nothing}}\"}";'
call "unknown page title=x"
code_is "a name that a page does not have" invalid
printf 'x\r\nX-Injected: yes' | key injected.bearer
hook injected hook 'authorization = "file:injected.bearer";'
call "injected page title=x"
code_is "a header cannot be smuggled in" invalid

for row in "200 ok false" "204 ok false" "302 refused false" "400 refused false" "401 auth false" "403 denied false" \
    "404 refused false" "429 busy false" "500 failed true" "503 busy false"; do
    read -r status code effect <<<"$row"
    hook "s$status" "$status"
    call "s$status page title=x"
    code_is "status $status" "$code"
    effect_is "status $status: an effect" "$effect"
done
call "s429 page title=x"
is "429: when to come back" "$(jq .retry_after_ms <<<"$answer")" 7000
is "a redirect is not followed" "$(jq -r .path "$dir/seen.jsonl" | grep -c stolen || true)" 0
call "s500 page title=x"
has "the server's words, without its control characters" "$(jq -r .text <<<"$answer")" 'what the server says \[31m$'

hook slow slow
call "slow page title=x timeout=1000"
code_is "no answer in time" timeout
effect_is "no answer in time: an effect" true
hook drop drop
call "drop page title=x"
code_is "the connection broke" disconnected
effect_is "the connection broke: an effect" true
is "a page is not sent twice" "$(jq -r .path "$dir/seen.jsonl" | grep -c drop)" 1
host nobody 'url = "http://127.0.0.1:9/";'
call "nobody page title=x"
code_is "nobody listens" unreachable
effect_is "nobody listens: an effect" false

host tls "url = \"https://127.0.0.1:$tls_port/200\"; ca_file = \"$dir/cert.pem\";"
call "tls page title=x"
code_is "TLS, verified" ok
host untrusted "url = \"https://127.0.0.1:$tls_port/untrusted\";"
call "untrusted page title=x"
code_is "TLS, an unknown authority" mismatch
host misnamed "url = \"https://localhost:$tls_port/untrusted\"; ca_file = \"$dir/cert.pem\";"
call "misnamed page title=x"
code_is "TLS, another name" mismatch
is "nothing was told to it" "$(jq -r .path "$dir/seen.jsonl" | grep -c untrusted || true)" 0
host insecure "url = \"https://127.0.0.1:$tls_port/200\"; insecure = true;"
call "insecure page title=x"
code_is "TLS, told not to look" ok

# ---- mail -----------------------------------------------------------------------------------------------------------
cat >"$dir/sendmail" <<SH
#!/bin/sh
printf '%s\n' "\$@" >"$dir/argv"
cat >"$dir/mail"
SH
cat >"$dir/refusing" <<'SH'
#!/bin/sh
echo 'sendmail: queue is full' >&2
exit 75
SH
chmod 755 "$dir/sendmail" "$dir/refusing"
host mail "mail_to = \"oncall@example.net\"; mail_from = \"nightshift@example.net\"; mail_program = \"$dir/sendmail\";"
call "mail page title=r1h01,-X/tmp/x text=. reason=budget"
code_is "mail" ok
is "the mail program's arguments" "$(paste -sd' ' "$dir/argv")" "-i -t"
has "the mail: To" "$(cat "$dir/mail")" '^To: oncall@example.net$'
has "the mail: Subject" "$(cat "$dir/mail")" '^Subject: r1h01,-X/tmp/x$'
is "the mail: its text" "$(sed '1,/^$/d' "$dir/mail" | head -1)" .
python3 - "$dir/mail" <<'PY' && ok "the mail parses, and has the headers it should" || fail "the mail's headers"
import email, sys
mail = email.message_from_file(open(sys.argv[1]))
assert set(mail.keys()) == {"To", "From", "Subject", "X-Nightshift-Id", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}, mail.keys()
assert "reason: budget" in mail.get_payload()
PY
host refusing "mail_to = \"oncall@example.net\"; mail_program = \"$dir/refusing\";"
call "refusing page title=x"
code_is "the mail program fails" failed
has "its words" "$answer" 'queue is full'
host injecting 'mail_to = "oncall@example.net\nBcc: all@example.net";'
call "injecting page title=x"
code_is "an address is one line" invalid

# ---- the doctor pages nobody ----------------------------------------------------------------------------------------
says() { # WHAT CHECK STATE WORDS
    local line
    line=$(jq -r --arg name "$2" '.result.checks[]? | select(.check == $name) | "\(.state): \(.text) [\(.hint)]"' <<<"$answer")
    has "doctor, $1: $2" "${line:-$answer}" "^$3: .*$4"
}
seen_before=$(wc -l <"$dir/seen.jsonl")
rm -f "$dir/mail"
call "signed page.doctor"
says "a webhook" server ok "http://127.0.0.1:$port answers"
says "a webhook" template ok 'put together and signed'
says "a webhook" delivery skipped 'nobody was paged'
is "doctor: the hook's path and its secrets stay here" "$(tail -1 "$dir/heads.jsonl" | jq -c .)" '["/",false,false]'
call "unknown page.doctor"
says "a name that a page does not have" template failed 'nothing.* \[correct it'
call "templated page.doctor"
says "a template" template ok 'put together'
printf 'whsec_!!' | key broken.secret
hook broken hook 'secret = "file:broken.secret";'
call "broken page.doctor"
says "a secret that is no base64" secret failed ''
call "nobody page.doctor"
code_is "doctor: nobody listens" unreachable
call "tls page.doctor"
says "TLS, verified" server ok 'https://127.0.0.1'
call "untrusted page.doctor"
code_is "doctor: TLS, an unknown authority" mismatch
call "mail page.doctor"
says "mail" program ok 'sendmail may be run'
host missing "mail_to = \"oncall@example.net\"; mail_program = \"$dir/nowhere\";"
call "missing page.doctor"
says "no mail program" program failed 'No such file'
host noprogram "mail_to = \"oncall@example.net\"; mail_program = \"$dir/cert.pem\";"
call "noprogram page.doctor"
says "no program" program failed 'no program that may be run'
is "doctor: no page left" "$(wc -l <"$dir/seen.jsonl")" "$seen_before"
[ ! -e "$dir/mail" ] && ok "doctor: no mail left" || fail "doctor: a mail was sent"
verdict
