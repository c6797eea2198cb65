"""Callbacks in a Django project, here in one file. Start it with `uvicorn django_app:application`."""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from callgate import Callgate
from callgate.protocol import WireRequest, sinch

gate = Callgate(applications={os.environ["SINCH_KEY"]: os.environ["SINCH_SECRET"]})


@gate.ice
async def incoming(call):
    if call.to.endpoint == "+15612600684":
        return sinch.ConnectPstn(max_duration=600)
    return sinch.Hangup()


@csrf_exempt  # the signature says who sent it
async def callbacks(request: HttpRequest) -> HttpResponse:
    wire = WireRequest(method=request.method, path=request.path, headers=request.headers, body=request.body)
    reply = await gate.answer_async(wire)
    return HttpResponse(reply.body, status=reply.status, content_type=reply.content_type)


settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
urlpatterns = [path("callbacks/sinch", callbacks)]
application = get_asgi_application()
