#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An SMTP server (Debian's python3-aiosmtpd) that keeps what it was given.

    mailbox.py FOLDER starttls|implicit|plain

FOLDER has key.pem and cert.pem. Writes FOLDER/MODE.port once it listens, FOLDER/mails one JSON line for each mail. With
starttls and implicit it wants the login nightshift, s3cret-pw.
"""
import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

FOLDER, MODE = sys.argv[1:3]


def login(server, session, envelope, mechanism, data):
    good = mechanism in ("PLAIN", "LOGIN") and (data.login, data.password) == (b"nightshift", b"s3cret-pw")
    return AuthResult(success=good, handled=False)


class Keeper:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("grey@"):
            return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        with open(os.path.join(FOLDER, "mails"), "a") as f:
            f.write(json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": server.transport.get_extra_info("sslcontext") is not None,
                                "login": bool(getattr(session, "authenticated", False)),
                                "mail": envelope.original_content.decode("ascii")}) + "\n")
        return "250 2.0.0 OK: kept"


class Mailbox(Controller):
    def factory(self):
        tls = MODE != "plain"
        return SMTP(self.handler, require_starttls=MODE == "starttls", tls_context=context if MODE == "starttls" else None,
                    auth_required=tls, auth_require_tls=MODE == "starttls", authenticator=login if tls else None)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(FOLDER + "/cert.pem", FOLDER + "/key.pem")


async def main():
    mailbox = Mailbox(Keeper())
    server = await asyncio.get_running_loop().create_server(mailbox.factory, "127.0.0.1", 0,
                                                            ssl=context if MODE == "implicit" else None)
    with open(FOLDER + "/port.tmp", "w") as f:
        f.write("%d\n" % server.sockets[0].getsockname()[1])
    os.rename(FOLDER + "/port.tmp", FOLDER + "/" + MODE + ".port")
    await server.serve_forever()


asyncio.run(main())
