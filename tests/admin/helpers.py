"""What the tests of the admin do again and again."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission
from django.test import Client


def text(response):
    assert response.status_code == 200
    return response.content.decode()


def streamed(response):
    """Return the file of a streaming response as its server sends it: under ASGI an asynchronous one."""
    assert response.streaming

    async def read():
        return b"".join([part async for part in response])

    return async_to_sync(read)() if hasattr(response, "asgi_request") else b"".join(response)


def clerk(django_user_model, *permissions, name="clerk"):
    """Return a client who is logged in as staff with these permissions."""
    user = django_user_model.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client
