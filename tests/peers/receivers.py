#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Receivers of notices on one loopback port, strict: what the service would refuse is refused, in its words.

    receivers.py FOLDER [PORT]

Writes FOLDER/port once it listens, and FOLDER/calls, one JSON line for each thing that was accepted. Which service is
meant the path says. While FOLDER/down exists everything is 503 with Retry-After; while FOLDER/mute exists a notice is
taken, and the answer never comes.
"""
import base64
import json
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

FOLDER = sys.argv[1]
LOCK = threading.Lock()
ALERTS, REQUESTS = {}, {}  # Opsgenie: by alias; what came of a request
INCIDENTS = {}  # PagerDuty: by dedup_key
RECORDS, ISSUES = [], []  # ServiceNow, Jira
BASIC = "Basic " + base64.b64encode(b"nightshift:s3cret-pw").decode()


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(str(body))
        self.status, self.body = status, body


def need(ok, status, body):
    if not ok:
        raise Refused(status, body)


def text(value, most, least=1):
    return isinstance(value, str) and least <= len(value) <= most


def note(**what):
    with open(os.path.join(FOLDER, "calls"), "a") as f:
        f.write(json.dumps(what) + "\n")


# ---- PagerDuty Events v2 ----
def pagerduty(method, path, query, headers, body):
    def invalid(*errors):
        return {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}

    need((method, path) == ("POST", "/v2/enqueue"), 404, {"message": "not found"})
    need(set(body) <= {"routing_key", "event_action", "dedup_key", "payload", "client", "client_url", "links", "images"},
         400, invalid("unknown member"))
    need(text(body.get("routing_key"), 32, 32), 400, invalid("Length of 'routing_key' is incorrect (should be 32 characters)"))
    need(body["routing_key"] == "0123456789abcdef0123456789abcdef", 400, invalid("Invalid routing key"))
    need(body.get("event_action") in ("trigger", "acknowledge", "resolve"), 400, invalid("'event_action' is invalid"))
    key = body.get("dedup_key")
    need(text(key, 255), 400, invalid("'dedup_key' is missing or too long"))
    if body["event_action"] == "trigger":
        payload = body.get("payload") or {}
        need(text(payload.get("summary"), 1024), 400, invalid("'payload.summary' is missing or blank"))
        need(text(payload.get("source"), 255), 400, invalid("'payload.source' is missing or blank"))
        need(payload.get("severity") in ("critical", "error", "warning", "info"), 400, invalid("'payload.severity' is invalid"))
        need(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", payload.get("timestamp", "")), 400, invalid("'payload.timestamp' is invalid"))
        need(isinstance(payload.get("custom_details", {}), dict), 400, invalid("'payload.custom_details' is invalid"))
    INCIDENTS[key] = "resolved" if body["event_action"] == "resolve" else "triggered"
    note(kind="pagerduty", action=body["event_action"], key=key, title=(body.get("payload") or {}).get("summary"),
         id=(body.get("payload") or {}).get("custom_details", {}).get("id"))
    return 202, {"status": "success", "message": "Event processed", "dedup_key": key}


# ---- Opsgenie ----
def opsgenie(method, path, query, headers, body):
    need(headers.get("Authorization") == "GenieKey genie-s3cret-key", 422, {"message": "Key format is not valid!", "took": 0.1})
    match = re.match(r"/v2/alerts/requests/(\w+)$", path)
    if match and method == "GET":
        result = REQUESTS.get(match.group(1))
        need(result is not None, 404, {"message": "Request not found. It might not be processed, yet.", "took": 0.01})
        if result["polls"] > 0:
            result["polls"] -= 1
            raise Refused(404, {"message": "Request not found. It might not be processed, yet.", "took": 0.01})
        return 200, {"data": {"success": result["ok"], "isSuccess": result["ok"], "status": result["status"]}}
    if path == "/v2/alerts" and method == "GET":
        return 200, {"data": []}
    number = "r%d" % (len(REQUESTS) + 1)
    match = re.match(r"/v2/alerts/([^/]+)/close$", path)
    if match and method == "POST":
        need(query.get("identifierType") == ["alias"], 400, {"message": "Identifier type is invalid"})
        alias = unquote(match.group(1))
        ok = ALERTS.get(alias) == "open"
        ALERTS[alias] = "closed"
        REQUESTS[number] = {"ok": ok, "status": "Closed alert" if ok else "Alert does not exist", "polls": 1}
        note(kind="opsgenie", action="close", key=alias)
        return 202, {"result": "Request will be processed", "took": 0.01, "requestId": number}
    need((method, path) == ("POST", "/v2/alerts"), 404, {"message": "not found"})
    need(text(body.get("message"), 130), 422, {"message": "Request body is not processable", "errors": {"message": "Message can not be empty."}})
    need(text(body.get("alias"), 512), 422, {"message": "Request body is not processable", "errors": {"alias": "wrong"}})
    need(body.get("priority") in ("P1", "P2", "P3", "P4", "P5"), 422, {"message": "Request body is not processable", "errors": {"priority": "wrong"}})
    need(len(body.get("description", "")) <= 15000 and len(body.get("entity", "")) <= 512, 422, {"message": "too long"})
    need(all(isinstance(v, str) for v in body.get("details", {}).values()), 422, {"message": "details must be texts"})
    need(all(r.get("type") == "team" and r.get("name") for r in body.get("responders", [])), 422, {"message": "responders"})
    again = ALERTS.get(body["alias"]) == "open"
    ALERTS[body["alias"]] = "open"
    REQUESTS[number] = {"ok": True, "status": "Created alert", "polls": 1}
    note(kind="opsgenie", action="count" if again else "create", key=body["alias"], title=body["message"], id=body["details"].get("id"))
    return 202, {"result": "Request will be processed", "took": 0.01, "requestId": number}


# ---- chats ----
def slack(method, path, query, headers, body):
    need(path == "/services/T0/B0/s3cret-path", 404, "no_service")
    need(method == "POST" and isinstance(body, dict), 400, "invalid_payload")
    need(text(body.get("text"), 40000) or body.get("attachments"), 400, "no_text")
    need(not re.search(r"<[!@#]|@(all|channel|here)", json.dumps(body)), 400, "it calls somebody")
    need(all(isinstance(a.get("fallback"), str) and re.match("#[0-9a-f]{6}$", a.get("color", "")) and
             isinstance(a.get("ts", 0), int) for a in body.get("attachments", [])), 400, "invalid_attachments")
    note(kind="slack", key=body["attachments"][0]["footer"], title=body["text"])
    return 200, "ok"


def mattermost(method, path, query, headers, body):
    need(path == "/hooks/s3cret-path", 400, {"id": "web.incoming_webhook.invalid.app_error", "message": "Invalid webhook.", "status_code": 400})
    need(text(body.get("text"), 16383) or body.get("attachments"), 400, {"message": "No text specified.", "status_code": 400})
    need(not re.search(r"@(all|channel|here)", json.dumps(body, ensure_ascii=False)), 400, {"message": "it calls somebody"})
    note(kind="mattermost", key=body["attachments"][0]["footer"], title=body["text"])
    return 200, "ok"


def teams(method, path, query, headers, body):
    need(path == "/workflows/1/triggers/manual/paths/invoke" and query.get("sig") == ["s3cret-sig"], 401, {"error": {"code": "DirectApiAuthorizationRequired", "message": "the signature is wrong"}})
    need(body.get("type") == "message" and len(body.get("attachments", [])) == 1, 400, {"error": {"code": "TriggerInputSchemaMismatch", "message": "no message"}})
    card = body["attachments"][0]
    need(card.get("contentType") == "application/vnd.microsoft.card.adaptive" and card.get("contentUrl", 0) is None, 400, {"error": {"message": "no card"}})
    need(card["content"].get("type") == "AdaptiveCard" and re.match(r"1\.\d$", card["content"].get("version", "")), 400, {"error": {"message": "no adaptive card"}})
    need(all(b.get("type") == "TextBlock" and isinstance(b.get("text"), str) for b in card["content"]["body"]), 400, {"error": {"message": "a block"}})
    need(len(json.dumps(body)) <= 28 * 1024, 413, {"error": {"message": "too large"}})
    note(kind="teams", title=card["content"]["body"][0]["text"])
    return 202, ""


# ---- ServiceNow: the Table API ----
def snow(method, path, query, headers, body):
    need(headers.get("Authorization") == BASIC, 401, {"error": {"message": "User Not Authenticated", "detail": "Required to provide Auth information"}, "status": "failure"})
    match = re.match(r"/api/now/table/incident(?:/(\w+))?$", path)
    need(match, 400, {"error": {"message": "Invalid table", "detail": None}, "status": "failure"})
    fields = {"short_description": 160, "description": 4000, "urgency": 1, "impact": 1, "correlation_id": 100,
              "correlation_display": 100, "assignment_group": 40, "work_notes": 4000, "state": 2, "close_code": 40, "close_notes": 4000}
    if method == "GET":
        terms = dict(t.split("=", 1) for t in query.get("sysparm_query", [""])[0].split("^") if t)
        found = [r for r in RECORDS if all(str(r.get(k, "")) == v for k, v in terms.items())]
        wanted = query.get("sysparm_fields", [""])[0].split(",")
        return 200, {"result": [{k: r.get(k, "") for k in wanted} for r in found[:int(query.get("sysparm_limit", ["10000"])[0])]]}
    need(all(k in fields and text(v, fields[k]) for k, v in body.items()), 400, {"error": {"message": "Invalid field: " + ", ".join(k for k, v in body.items() if not (k in fields and text(v, fields[k])))}})
    if method == "POST" and not match.group(1):
        need(body.get("short_description"), 403, {"error": {"message": "Operation Failed", "detail": "Data Policy Exception: Short description is mandatory"}})
        record = dict(body, sys_id="%032x" % (len(RECORDS) + 1), number="INC%07d" % (len(RECORDS) + 1), active="true", state="1")
        RECORDS.append(record)
        note(kind="servicenow", action="create", key=body.get("correlation_id"), title=body["short_description"], id=body.get("correlation_display"))
        return 201, {"result": record}
    record = next((r for r in RECORDS if r["sys_id"] == match.group(1)), None)
    need(method == "PATCH" and record, 404, {"error": {"message": "No Record found", "detail": "Record doesn't exist or ACL restricts the record retrieval"}})
    if body.get("state") == "6":
        need(body.get("close_code") and body.get("close_notes"), 403, {"error": {"message": "Operation Failed", "detail": "Data Policy Exception: Resolution code, Resolution notes are mandatory"}})
        body = dict(body, active="false")
    record.update(body)
    note(kind="servicenow", action="close" if record["active"] == "false" else "note", key=record["correlation_id"], id=record["correlation_display"])
    return 200, {"result": record}


# ---- Jira: /rest/api/2 ----
def jira(method, path, query, headers, body):
    need(headers.get("Authorization") == "Bearer jira-s3cret-pat", 401, "Basic authentication with passwords is deprecated.")
    if path == "/rest/api/2/search":
        raise Refused(410, {"errorMessages": ["The requested API has been removed. Please migrate to the /rest/api/3/search/jql API."], "errors": {}})
    if path == "/rest/api/2/search/jql":
        match = re.match(r'project = "(\w+)" AND labels = "([^"]+)" AND statusCategory != Done$', query["jql"][0])
        need(match, 400, {"errorMessages": ["Error in the JQL Query"], "errors": {}})
        found = [i for i in ISSUES if i["project"] == match.group(1) and match.group(2) in i["labels"] and i["status"] != "Done"]
        return 200, {"issues": [{"key": i["key"], "fields": {"description": i["description"], "comment": {"comments": i["comments"]}}} for i in found], "isLast": True}
    if path == "/rest/api/2/project/DC":
        return 200, {"key": "DC"}
    if (method, path) == ("POST", "/rest/api/2/issue"):
        fields = body.get("fields", {})
        need(fields.get("project", {}).get("key") == "DC", 400, {"errorMessages": [], "errors": {"project": "valid project is required"}})
        need(fields.get("issuetype", {}).get("name") in ("Task", "Incident"), 400, {"errorMessages": [], "errors": {"issuetype": "Specify a valid issue type"}})
        need(text(fields.get("summary"), 254) and "\n" not in fields["summary"], 400, {"errorMessages": [], "errors": {"summary": "The summary is invalid because it contains newline characters."}})
        need(all(" " not in label for label in fields.get("labels", [])), 400, {"errorMessages": [], "errors": {"labels": "The label can't contain spaces."}})
        need(text(fields.get("description"), 32767), 400, {"errorMessages": [], "errors": {"description": "too long"}})
        need(set(fields) <= {"project", "issuetype", "summary", "labels", "description", "priority"}, 400, {"errorMessages": [], "errors": {"x": "Field cannot be set. It is not on the appropriate screen, or unknown."}})
        ISSUES.append({"key": "DC-%d" % (len(ISSUES) + 1), "project": "DC", "labels": fields["labels"], "status": "To Do",
                       "description": fields["description"], "comments": []})
        note(kind="jira", action="create", key=fields["labels"][1], title=fields["summary"])
        return 201, {"id": "1", "key": ISSUES[-1]["key"], "self": "x"}
    match = re.match(r"/rest/api/2/issue/(DC-\d+)/(comment|transitions)$", path)
    issue = match and next((i for i in ISSUES if i["key"] == match.group(1)), None)
    need(issue, 404, {"errorMessages": ["Issue does not exist or you do not have permission to see it."], "errors": {}})
    if match.group(2) == "comment":
        need(method == "POST" and text(body.get("body"), 32767), 400, {"errorMessages": [], "errors": {"comment": "Comment body can not be empty!"}})
        issue["comments"].append({"body": body["body"].replace("\n", "\r\n")})
        note(kind="jira", action="comment", key=issue["labels"][1])
        return 201, {"id": "10"}
    if method == "GET":
        return 200, {"transitions": [{"id": "11", "name": "Start", "to": {"statusCategory": {"key": "indeterminate"}}},
                                     {"id": "31", "name": "Finish", "to": {"statusCategory": {"key": "done"}}}]}
    need(body == {"transition": {"id": "31"}}, 400, {"errorMessages": ["It seems that you have tried to perform a workflow operation that is not valid"], "errors": {}})
    issue["status"] = "Done"
    note(kind="jira", action="close", key=issue["labels"][1])
    return 204, ""


SERVICES = {"pagerduty": pagerduty, "opsgenie": opsgenie, "slack": slack, "mattermost": mattermost, "teams": teams,
            "snow": snow, "jira": jira}


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body, headers=()):
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if status != 204:
            self.wfile.write(data)

    def handle_any(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if os.path.exists(os.path.join(FOLDER, "down")):
            self.reply(503, {"message": "maintenance"}, [("Retry-After", "1")])
            return
        parts = urlsplit(self.path)
        service, _, path = parts.path[1:].partition("/")
        try:
            need(service in SERVICES, 404, {"message": "no such service"})
            need(not raw or self.headers.get("Content-Type") == "application/json", 415, {"message": "Content-Type"})
            try:
                body = json.loads(raw) if raw else None
            except ValueError:
                raise Refused(400, {"message": "no JSON"})
            need(self.command == "GET" or isinstance(body, dict), 400, {"message": "no object"})
            with LOCK:
                status, answer = SERVICES[service](self.command, "/" + path, parse_qs(parts.query), self.headers, body)
        except Refused as refused:
            self.reply(refused.status, refused.body)
            return
        if self.command != "GET" and os.path.exists(os.path.join(FOLDER, "mute")):
            threading.Event().wait(60)
            self.close_connection = True
            return
        self.reply(status, answer)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


server = Server(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Receiver)
with open(os.path.join(FOLDER, "port.tmp"), "w") as f:
    f.write("%d\n" % server.server_port)
os.rename(os.path.join(FOLDER, "port.tmp"), os.path.join(FOLDER, "port"))
server.serve_forever()
