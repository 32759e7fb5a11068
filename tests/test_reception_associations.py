"""Who is let in and for what, how an association ends, and how the node shuts down."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pydicom.uid import CTImageStorage, RTStructureSetStorage

from node.errors import ConfigError
from node.reception.contexts import TRANSFER_SYNTAXES
from node.reception.peers import Peer, rejection_of
from node.reception.scp import Receiver, ReceptionSettings
from tests.raw_sender import VERIFICATION, Node, associate, running_node, wait_until
from tests.reception_rig import CT, SUCCESS, ct, receiving_node, send

node = pytest.fixture(receiving_node)


def test_on_request_only_ct_is_accepted(tmp_path: Path) -> None:
    with running_node(tmp_path, any_storage_class=False) as node:
        opened = associate(node.port, [CT, (RTStructureSetStorage, CT[1])])
        contexts = {context.abstract_syntax for context in opened.accepted_contexts}
        opened.release()

    assert contexts == {VERIFICATION, CTImageStorage}


def test_every_transfer_syntax_that_we_can_decode_is_accepted(node: Node) -> None:
    opened = associate(node.port, [(CT[0], str(syntax)) for syntax in TRANSFER_SYNTAXES])
    accepted = {context.transfer_syntax[0] for context in opened.accepted_contexts}
    opened.release()

    assert set(TRANSFER_SYNTAXES) <= accepted


def test_a_wrong_called_ae_title_is_rejected(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    assert associate(node.port, [CT], called="OTHER").is_rejected
    assert "'OTHER'" in caplog.text
    assert "'NODE'" in caplog.text


def test_a_stranger_is_rejected_once_a_list_of_peers_is_given(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running_node(tmp_path, peers=(Peer("SCANNER", "localhost"),)) as node:
        known = associate(node.port, [CT], calling="SCANNER")
        stranger = associate(node.port, [CT], calling="STRANGER")
        known.release()

    assert stranger.is_rejected
    assert known.is_released
    assert "'STRANGER' at 127.0.0.1" in caplog.text


@pytest.mark.parametrize(
    ("calling", "address", "accepted"),
    [
        ("CT1", "10.0.0.1", True),
        ("CT1 ", "::ffff:10.0.0.1", True),
        ("CT1", "10.0.0.2", False),
        ("CT2", "10.9.9.9", True),
        ("CT3", "10.0.0.1", False),
    ],
)
def test_a_peer_is_its_ae_title_and_its_address(calling: str, address: str, accepted: bool) -> None:
    peers = (Peer("CT1", "10.0.0.1"), Peer("CT2"))

    assert (rejection_of(calling, "NODE", address, peers, "NODE") is None) == accepted


def test_an_address_in_use_stops_the_start_with_one_line(node: Node) -> None:
    with pytest.raises(ConfigError, match="cannot listen there"):
        Receiver(ReceptionSettings("X", port=node.port), node.inbox, lambda _: None).start()


def test_the_end_of_an_association_is_told_once_however_it_ends(node: Node) -> None:
    released, aborted, cut = (associate(node.port, [CT]) for _ in range(3))
    wait_until(lambda: len(node.receiver.open_associations()) == 3)
    ids = node.receiver.open_associations()

    released.release()
    aborted.abort()
    cut.dul.socket.socket.close()
    wait_until(lambda: not node.receiver.open_associations())
    wait_until(lambda: len(node.ended) == 3)

    assert sorted(node.ended) == sorted(ids)


def test_shutting_down_lets_an_open_association_finish(tmp_path: Path) -> None:
    node = Node(tmp_path, drain_s=20.0)
    opened = associate(node.port, [CT])
    wait_until(node.receiver.open_associations)
    stopping = threading.Thread(target=node.receiver.shutdown)
    stopping.start()
    wait_until(lambda: not associate(node.port, [CT]).is_established)

    assert send(opened, ct()) == SUCCESS
    opened.release()
    stopping.join(10)
    assert not stopping.is_alive()


def test_shutting_down_aborts_what_does_not_finish(tmp_path: Path) -> None:
    node = Node(tmp_path, drain_s=0.1)
    opened = associate(node.port, [CT])
    wait_until(node.receiver.open_associations)

    node.receiver.shutdown()

    wait_until(lambda: not opened.is_established)
    assert node.receiver.open_associations() == set()


def test_more_associations_than_allowed_are_turned_away_for_now(tmp_path: Path) -> None:
    """PS3.8 Table 9-21: rejected transient, local limit exceeded."""
    with running_node(tmp_path, maximum_associations=1) as node:
        first = associate(node.port, [CT])
        second = associate(node.port, [CT])
        first.release()

    assert second.is_rejected
    assert second.acceptor.primitive.result == 0x02
