"""Receivers of an OAuth redirect: google-auth-oauthlib's on wsgiref, msal's on a handler, one request at a time."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from tests.interop.programs.program import Program, Site
from tests.interop.programs.visit import Visit

GOOGLE = """
import os, sys
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
from google_auth_oauthlib.flow import InstalledAppFlow
upstream = sys.argv[1]
config = {"client_id": "me", "client_secret": "s", "auth_uri": upstream + "/auth", "token_uri": upstream + "/token"}
flow = InstalledAppFlow.from_client_config({"installed": config}, ["shop"], state="mine")
print(flow.run_local_server(bind_addr="127.0.0.1", port=0, open_browser=False, success_message="thanks").token)
"""
MSAL = """
from msal.oauth2cli.authcode import AuthCodeReceiver
with AuthCodeReceiver(port=0) as receiver:
    print(receiver.get_auth_response(
        timeout=60, state="mine", welcome_template="<a href='$auth_uri'>in</a>", success_template="hello $code"))
"""


def google(site: Site) -> list[str]:
    answer = {"access_token": "the token", "token_type": "Bearer", "expires_in": 60, "scope": "shop"}
    site.upstream.on("POST", "/token").respond(json=answer)
    return [str(site.write("program.py", GOOGLE)), site.upstream.base_url]


def talk_to_google(visit: Visit) -> None:
    link = visit.printed(re.compile(r"https?://\S+/auth\?\S+"))
    visit.note("sent to", [parse_qs(urlsplit(link).query)[name] for name in ("redirect_uri", "state", "scope")])
    visit.request("GET", "/?code=abc&scope=shop&state=mine", Accept="text/html")
    visit.note("the token", visit.printed(re.compile("(?m)^the token$")))
    visit.note("asked for by", parse_qs(visit.upstream.exchanges[0].request.text)["code"])


def msal(site: Site) -> list[str]:
    return [str(site.write("program.py", MSAL))]


def talk_to_msal(visit: Visit) -> None:
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    visit.request("GET", "/?welcome=true")
    visit.request("GET", "/?code=abc&state=mine")
    visit.request("GET", "/")
    visit.request("HEAD", "/")
    visit.request("POST", "/", "nothing", **form)
    visit.request("POST", "/", "code=abc&state=other", **form)
    visit.request("POST", "/", "code=abc&state=mine", **form)
    visit.note("it heard", visit.printed(re.compile(r"(?m)^\{.*\}$")))


GOOGLE_AUTH = Program("google-auth-oauthlib", google, talk_to_google, ends_itself=True)
MSAL_RECEIVER = Program("msal", msal, talk_to_msal, ends_itself=True)
