"""Lenders and hosts are dealt into blocks that have nothing in common."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bias_audit.checks.recurring_cues.lending import dealt
from bias_audit.data.sampling import in_turn


def test_every_group_comes_before_any_comes_twice():
    assert in_turn([0, 1, 2, 3, 4, 5], np.array([7, 7, 8, 7, 9, 8])) == [0, 2, 4, 1, 5, 3]
    assert in_turn([3, 1, 2], np.arange(4)) == [3, 1, 2]


def test_with_enough_hosts_nobody_shares_any():
    hosts, blocks = dealt([0, 1, 2], [10, 11, 12, 13, 14, 15, 16], np.arange(20), each=2)
    assert hosts == {0: [10, 11], 1: [12, 13], 2: [14, 15]}
    assert blocks == {0: 0, 1: 1, 2: 2}


def test_with_few_hosts_lenders_that_share_one_are_one_block():
    hosts, blocks = dealt([0, 1, 2, 3, 4], [10, 11], np.arange(20), each=2)
    assert hosts == {0: [10], 1: [10], 2: [10], 3: [11], 4: [11]}
    assert blocks == {0: 0, 1: 0, 2: 0, 3: 1, 4: 1}


def test_photos_of_a_patient_lend_and_are_hosts_in_one_block():
    groups = np.array([0, 0, 1, 2, 3, 3, 4, 5])  # both lenders 0 and 1 are of one patient, hosts 4 and 5 of another
    hosts, blocks = dealt([0, 1, 2], [4, 5, 6, 7], groups, each=2)
    assert hosts == {0: [4, 6], 1: [5, 4], 2: [7]}
    assert blocks == {0: 0, 1: 0, 2: 1}


def test_a_patient_of_both_classes_is_host_to_itself_only():
    groups = np.array([0, 1, 2, 0, 1, 3])
    hosts, blocks = dealt([0, 1, 2], [3, 4, 5], groups, each=2)
    assert hosts == {0: [3], 1: [4], 2: [5]}
    assert len(set(blocks.values())) == 3
    hosts, _ = dealt([0, 1], [3], groups, each=2)
    assert hosts == {0: [3], 1: []}


@given(st.lists(st.integers(0, 12), max_size=15), st.lists(st.integers(0, 12), max_size=15), st.integers(1, 3))
def test_blocks_share_neither_hosts_nor_groups(lenders, others, each):
    groups = np.array([*lenders, *others], int)
    hosts, blocks = dealt(range(len(lenders)), range(len(lenders), len(groups)), groups, each)
    assert sorted(hosts) == sorted(blocks) == list(range(len(lenders)))
    for one, two in combinations(hosts, 2):
        if blocks[one] != blocks[two]:
            of_each = ({int(groups[image]) for image in (lender, *hosts[lender])} for lender in (one, two))
            assert set.isdisjoint(*of_each)
    assert all(len(set(onto)) == len(onto) <= each for onto in hosts.values())
