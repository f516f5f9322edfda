"""A receiver of webhooks, as a user would write it: every delivery is verified by the package standardwebhooks.

It listens on 127.0.0.1 and says so on standard output. GET /log lists what came; POST /plan says with which secrets
to verify and how to answer: a list of answers, of which the last one is repeated. An answer is
{"status": 500, "headers": {...}}, {"hang": seconds} or {"reset": true}.
"""

import json
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

lock = threading.Lock()
plan = {"secrets": [], "answers": []}
log = []


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length", "0")))

    def answer(self, status, headers=None, body=b""):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with lock:
            body = json.dumps(log).encode()
        self.answer(200, {"content-type": "application/json"}, body)

    def do_POST(self):
        body = self.body()
        if self.path == "/plan":
            with lock:
                plan.update(json.loads(body))
            return self.answer(204)
        with lock:
            answers = plan["answers"]
            answer = answers.pop(0) if len(answers) > 1 else (answers or [{"status": 204}])[0]
            log.append(
                {
                    "path": self.path,
                    "id": self.headers.get("webhook-id"),
                    "timestamp": int(self.headers.get("webhook-timestamp", "0")),
                    "signatures": len(self.headers.get("webhook-signature", "").split()),
                    "verified_by": [verifies(secret, body, self.headers) for secret in plan["secrets"]],
                    "content_type": self.headers.get("content-type"),
                    "user_agent": self.headers.get("user-agent"),
                    "body": body.decode(),
                    "at": time.time(),
                }
            )
        if "hang" in answer:
            time.sleep(answer["hang"])
        if answer.get("reset"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return None
        return self.answer(answer.get("status", 204), answer.get("headers"), b"x" * answer.get("bytes", 0))


def verifies(secret, body, headers):
    try:
        Webhook(secret).verify(body, dict(headers))
        return True
    except WebhookVerificationError:
        return False


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
server.daemon_threads = True
print(f"listening on {server.server_port}.", flush=True)
server.serve_forever()
