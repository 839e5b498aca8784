"""The table of boilerplate, each entry on a text as it is found."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from thriftgate.core.reduction.boilerplate import BOILERPLATE, without_boilerplate

APACHE = """# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""
GNU = """This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public
License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later version.
This program is distributed in the hope that it will be useful, but WITHOUT ANY WARRANTY. See the GNU General Public License
for more details. You should have received a copy of it along with this program. If not, see <https://www.gnu.org/licenses/>.
"""
MIT = (
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated "
    'documentation files (the "Software"), to deal in the Software without restriction, '
    + "and so on, " * 60
    + "ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER\nDEALINGS IN THE SOFTWARE.\n"
)
BSD = (
    "Redistribution and use in source and binary forms, with or without modification, are permitted provided that "
    + "the following holds, " * 40
    + "EVEN IF ADVISED OF THE\nPOSSIBILITY OF SUCH DAMAGE.\n"
)
FOUND = {
    "Apache licence notice": (APACHE, "# [Apache-2.0 licence notice]\n"),
    "GNU": (GNU, "[GNU licence notice]\n"),
    "MIT": (MIT, "[MIT licence text]\n"),
    "BSD": (BSD, "[BSD licence text]\n"),
    "disclaimer": (
        "CONFIDENTIALITY NOTICE: This e-mail and any attachments are confidential and intended for the addressee.\n", ""
    ),
    "disclaimer, plain": ("This message may be confidential. If you are not the intended recipient, delete it.\n", ""),
    "printing": ("Please consider the environment before printing this e-mail.\n", ""),
    "phone": ("Sent from my iPhone\n", ""),
    "outlook": ("Get Outlook for iOS<https://aka.ms/o0ukef>\n", ""),
    "browser": ("View this email in your browser\n", ""),
    "why": ("You are receiving this email because you signed up at example.com.\n", ""),
    "unsubscribe": ("Unsubscribe\n", ""),
    "cookies": ("We use cookies to improve your experience and to analyse our traffic.\n", ""),
    "cookies, site": ("This website uses cookies. By browsing on you agree to our policy.\n", ""),
    "buttons": ("Accept all cookies\nReject all\n", "Reject all\n"),
    "powered": ("Powered by WordPress\n", ""),
    "rights": ("© 2026 Example Ltd. All rights reserved.\n", ""),
}  # fmt: skip
STAYS = (
    "The engine is powered by steam, and so were the looms.\n",
    "This e-mail came on Monday. It was not confidential at all, said she, and she read it aloud to everyone present.\n",
    "How do I unsubscribe from the list of those who bake cookies?\n",
    "Cookies are small files that a browser keeps.\n",
    "The Apache License, Version 2.0, is a licence.\n",
    "This program is free software, and it is good.\n",
)


@pytest.mark.parametrize("name", FOUND)
def test_it_is_found_alone_and_between_text(name: str) -> None:
    text, expected = FOUND[name]
    assert without_boilerplate(text) == expected
    assert without_boilerplate(f"Before it.\n{text}After it.\n") == f"Before it.\n{expected}After it.\n"
    assert without_boilerplate(expected) == expected


@pytest.mark.parametrize("text", STAYS)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert without_boilerplate(text) is text


def test_the_licence_of_this_project_is_named() -> None:
    licence = (Path(__file__).parents[3] / "LICENSE").read_text("utf-8")
    assert licence.rstrip().endswith("limitations under the License.")
    assert without_boilerplate(licence).rstrip().endswith("[Apache-2.0 licence notice]")


def test_phrases_stand_in_what_they_are_to_find() -> None:
    found = "".join(text for text, _ in FOUND.values())
    assert [each.name for each in BOILERPLATE if each.phrase not in found] == []
    assert all(each.source for each in BOILERPLATE)


def test_beginnings_without_an_end_take_no_long_time() -> None:
    began = process_time()
    for begin in (
        "Licensed under the Apache License, Version 2.0 ",
        "Permission is hereby granted, free of charge ",
        "This message is confidential ",
        "we use cookies ",
        "This program is free software: you can redistribute it ",
    ):
        without_boilerplate(begin * 2_000)
        without_boilerplate((begin + "\n") * 2_000)
    assert process_time() - began < 6
