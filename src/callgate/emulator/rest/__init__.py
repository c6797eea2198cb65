"""The REST interface of the emulated platform. Source: Sinch Voice API reference, REST API."""

from callgate.emulator.rest.app import add_rest

__all__ = ["add_rest"]
