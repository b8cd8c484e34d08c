"""Which way each use takes, and where it may go."""

from __future__ import annotations

import pytest

from tests.support.proxies import OwnProxy
from tests.support.scripted_server import ScriptedServer, answer
from wxsync.clock import SystemClock
from wxsync.daemon.outbound import Outbound
from wxsync.options.egress import EXEMPTIONS
from wxsync.options.sections import Egress, Registry, Upload, WeCom
from wxsync.options.settings import Settings
from wxsync.remote.address import AddressRefused
from wxsync.remote.exchange import Request
from wxsync.remote.resolver import SystemResolver

CLOCK = SystemClock()


def outbound(**sections):
    return Outbound(Settings(**sections), CLOCK, SystemResolver(CLOCK))


def egress(proxy, exempt="x.test"):
    return Egress(proxy_url=proxy.url, no_proxy_domains=EXEMPTIONS.read(exempt))


@pytest.mark.parametrize(("use", "is_through"), [
    ("wecom", False), ("qingstor", False), ("github", True), ("downloads", True), ("registries", True),
    ("own_registries", True)])
def test_each_use_takes_its_way(use, is_through):
    with OwnProxy() as proxy, ScriptedServer(answer(200)) as target:
        place = f"127.0.0.1:{target.port}"
        allowed = {"upload": Upload(allow_hosts=(place,)), "registry": Registry(allow_hosts=(place,))}
        ways = outbound(egress=egress(proxy), **allowed)
        assert getattr(ways, use).send(Request("GET", target.url)).status == 200
    assert proxy.targets == ([place] if is_through else [])


def test_wecom_takes_the_proxy_where_the_operator_wants_it_and_an_exempt_host_none():
    with OwnProxy() as proxy, ScriptedServer(answer(200), answer(200)) as target:
        outbound(egress=egress(proxy), wecom=WeCom(via_egress=True)).wecom.send(Request("GET", target.url))
        assert len(proxy.targets) == 1
        outbound(egress=egress(proxy, "127.0.0.0/8")).github.send(Request("GET", target.url))
        assert len(proxy.targets) == 1


@pytest.mark.parametrize("use", ["downloads", "registries"])
@pytest.mark.parametrize("has_proxy", [True, False])
def test_what_members_name_is_never_inside_and_the_mend_names_the_right_section(use, has_proxy):
    with OwnProxy() as proxy, ScriptedServer() as target:
        ways = outbound(egress=egress(proxy) if has_proxy else Egress())
        with pytest.raises(AddressRefused) as caught:
            getattr(ways, use).send(Request("GET", target.url))
        assert {"downloads": "[upload] allow", "registries": "[registry] allow"}[use] in caught.value.mend
        assert not (proxy.targets or target.seen)


def test_the_operators_own_registries_may_be_inside_and_no_members_registry_leads_there():
    with ScriptedServer(answer(200)) as own:
        ways = outbound(registry=Registry(registry=f"http://127.0.0.1:{own.port}", mirrors=(("docker.io", own.url),)))
        assert ways.own_registries.send(Request("GET", own.url)).status == 200
        for use in (ways.registries, ways.downloads):
            with pytest.raises(AddressRefused):
                use.send(Request("GET", own.url))


def test_the_allowances_of_one_section_are_not_those_of_another():
    with ScriptedServer(answer(200)) as target:
        ways = outbound(registry=Registry(allow_hosts=("127.0.0.1",)))
        assert ways.registries.send(Request("GET", target.url)).status == 200
        with pytest.raises(AddressRefused):
            ways.downloads.send(Request("GET", target.url))


def test_without_a_proxy_there_is_nothing_to_watch():
    ways = outbound()
    ways.start()
    assert ways.stop(0)
