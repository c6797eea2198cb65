"""A callback controller as tutorials have it: it answers calls, and believes whoever asks. Here to be tested, not copied."""

from flask import Flask, request

app = Flask(__name__)


@app.post("/callbacks/sinch")
def sinch_callback():
    event = request.get_json()
    if event["event"] == "ice":
        if event["to"]["endpoint"] == "+15612600684":
            return {"instructions": [], "action": {"name": "connectPstn", "maxDuration": 600}}
        return {"instructions": [], "action": {"name": "hangup"}}
    if event["event"] == "ace":
        return {"action": {"name": "continue"}}
    return {}
