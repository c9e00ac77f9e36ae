"""Calls the service with Python's grpcio and prints what it sees, one JSON object per call.

Usage: client.py ADDRESS PROTO_FOLDER, with one key per line on standard input, empty for none.
"""

import json
import subprocess
import sys
import tempfile

import grpc


def stubs(proto_folder):
    """The client code that grpcio's own compiler makes from the same definition."""
    out = tempfile.mkdtemp()
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{proto_folder}", f"--python_out={out}"]
    subprocess.run([*protoc, f"--grpc_python_out={out}", "logs.proto"], check=True)
    sys.path.insert(0, out)
    import logs_pb2
    import logs_pb2_grpc

    return logs_pb2, logs_pb2_grpc


def main():
    address, proto_folder = sys.argv[1:]
    messages, services = stubs(proto_folder)
    with grpc.insecure_channel(address) as channel:
        service = services.LogsStub(channel)
        for key in sys.stdin.read().split("\n"):
            metadata = [("authorization", f"Bearer {key}")] if key else []
            try:
                reply, call = service.Append.with_call(messages.AppendRequest(line="hello"), metadata=metadata, timeout=10)
                seen = {"code": "OK", "client_id": reply.client_id, "bytes": reply.bytes}
            except grpc.RpcError as error:
                call = error
                seen = {"code": error.code().name, "message": error.details()}
            seen["initial_metadata"] = dict(call.initial_metadata() or [])
            print(json.dumps(seen))


main()
