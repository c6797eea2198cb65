"""The same in FastAPI, with a wallet: every end of a call is charged as it comes. Here to be tested, not copied."""

from fastapi import FastAPI, Request

app = FastAPI()
cents = {"alice": 100}


@app.post("/callbacks/sinch")
async def sinch_callback(request: Request):
    event = await request.json()
    if event["event"] == "ice":
        left_s = cents.get(event.get("user"), 0) * 60
        if left_s:
            return {"action": {"name": "connectPstn", "maxDuration": min(left_s, 14400)}}
        return {"action": {"name": "hangup"}}
    if event["event"] == "ace":
        return {"action": {"name": "continue"}}
    if event["event"] == "dice" and event.get("duration"):
        cents[event["user"]] -= -(-event["duration"] // 60)
    return {}
