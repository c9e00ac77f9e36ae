"""The service behind the gateway: orders in PostgreSQL. It knows nothing of keys, only who calls."""

import os

import psycopg
from flask import Flask, jsonify, request

app = Flask(__name__)
DATABASE = os.environ["SHOP_DATABASE"]


def database():
    return psycopg.connect(DATABASE)


with database() as connection:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS orders (id BIGSERIAL PRIMARY KEY, client_id TEXT NOT NULL, item TEXT NOT NULL)"
    )


def caller():
    """nginx sets this header on every request that it lets through, and nobody else reaches this port."""
    return request.headers["X-Client-Id"]


@app.get("/orders")
def orders():
    with database() as connection:
        rows = connection.execute("SELECT id, item FROM orders WHERE client_id = %s ORDER BY id", [caller()])
        return jsonify(client=caller(), orders=[{"id": id, "item": item} for id, item in rows])


@app.post("/orders")
def order():
    item = request.get_json()["item"]
    with database() as connection:
        row = connection.execute(
            "INSERT INTO orders (client_id, item) VALUES (%s, %s) RETURNING id", [caller(), item]
        ).fetchone()
        return jsonify(id=row[0], item=item), 201


@app.get("/health")
def health():
    # The key must never come this far.
    return jsonify(ok=True, saw_key="Authorization" in request.headers or "X-Api-Key" in request.headers)
