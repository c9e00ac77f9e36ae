"""What schemathesis must know of the server under test: which keys to send, and what not to saw off.

GRACEKEY_URL, GRACEKEY_ADMIN_KEY and GRACEKEY_CALLER_KEY come from the test that runs it.
"""

import json
import os
import secrets
import urllib.request

import schemathesis

URL = os.environ["GRACEKEY_URL"]
ADMIN = os.environ["GRACEKEY_ADMIN_KEY"]
CALLER = os.environ["GRACEKEY_CALLER_KEY"]
ROTATE = "/v2/auth/rotate-key"
VERIFY = ["/verify", "/verify/nginx", "/verify/envoy/{target}"]
# The operator's own client and key: without them every answer is a 401.
OWN = {"gracekey-admin", ADMIN.split("_")[2]}


def ask(path, body):
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), method="POST")
    request.add_header("Authorization", f"Bearer {ADMIN}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as response:
        return json.load(response)


@schemathesis.auth(refresh_interval=None).apply_to(path=ROTATE)
class Holder:
    """A key of its own for each rotation, which may end it."""

    def get(self, case, context):
        return ask(f"/v2/clients/holders/credentials/c{secrets.token_hex(8)}/keys", {})["api_key"]

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.auth().apply_to(path=VERIFY)
class Caller:
    """Forward auth decides over callers, of whom the operator is none."""

    def get(self, case, context):
        return CALLER

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.auth().skip_for(path=[ROTATE, *VERIFY])
class Operator:
    def get(self, case, context):
        return ADMIN

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def filter_case(context, case):
    return not OWN & {str(value) for value in (case.path_parameters or {}).values()}
