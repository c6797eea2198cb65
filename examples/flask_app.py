"""Callbacks in a Flask application. Start it with `flask --app flask_app run`."""

import os

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from callgate import Callgate
from callgate.protocol import sinch

gate = Callgate(applications={os.environ["SINCH_KEY"]: os.environ["SINCH_SECRET"]})


@gate.ice
def incoming(call):
    if call.to.endpoint == "+15612600684":
        return sinch.ConnectPstn(max_duration=600)
    return sinch.Hangup()


app = Flask(__name__)
app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/callbacks/sinch": gate.wsgi})
