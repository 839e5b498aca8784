"""Weights of the text estimate, one set per tokenizer family. Written by `benchmarks/tokens/fit.py`; do not edit by hand.

Fitted with ctok 1.3.0 as the truth, on segments of 20 to 20,000 characters, half of them as JSON writes them, from: Python's
standard library and packages' documentation, JSON, YAML, HTML, XML, CSS, JavaScript, TypeScript, C, Perl, shell and CSV
files of a Debian system, gettext catalogues in some 90 languages, the Universal Declaration of Human Rights in about 200,
tool definitions made from library signatures, and made-up identifiers, numbers, logs, tables, emoji and runs.
"""

from __future__ import annotations

from msgspec import Struct

from thriftgate.core.models import TokenizerFamily


class Weights(Struct, frozen=True):
    """Weights are integers of 0 to 127 in units of 1/`…_unit` tokens; margins are parts of the expected tokens."""

    pair_weight: bytes
    pair_unit: float
    byte_weight: bytes
    byte_unit: float
    start: float
    margin: float
    margin_foreign: float
    margin_sampled: float
    margin_root: float
    margin_least: float


WEIGHTS: dict[TokenizerFamily, Weights] = {  # 2026-11-21, 5268 texts
    "claude3": Weights(
        pair_weight=bytes.fromhex(
            "0b200030221537264319371732002a240b022d3e0d07083d0a130c1511001618"
            "0c7f043b110e17240028191d1e00002c0b0002170704171a0014051c1c062c07"
            "0b062a050905221a4121002c320027000b161e181c1a293218320b27440a3416"
            "0f03317724440c36280a16252400191b0b3227242821290a0526132424181d16"
            "0b2b29371612141808160b0e210e0000001024252b0b31380007130e13002818"
            "0b0a420000000d300d1c0711390029020b0c1c451e100022430015013d140016"
            "0b181829210c4e1145130713002300030b00380400015810033525000a002915"
            "0b14411e20063522090004002705010e0b002605000017481c21033939013302"
        ),
        pair_unit=37.9,
        byte_weight=bytes.fromhex(
            "0000000000000000000000000000000000000000000000000000000000000000"
            "0000000000000000000000000000000000000000000000000000000000000000"
            "0000000000000000000000000000000000000000000000000000000000000000"
            "0000000000000000000000000000000000000000000000000000000000000000"
            "06000000172102001709203407217f0b1825032b000c17210c0000100219241d"
            "240027010a11130c190b0a2e14080b090a1c1932121a0b1a091d1c071b000002"
            "00000f1d040a001d02444b00070006000000145200090608000a122c00000000"
            "000620030000000001000000040000002b000000000000000000000000000000"
        ),
        byte_unit=29.46,
        start=0.2657,
        margin=0.2655,
        margin_foreign=0.7157,
        margin_sampled=0.4,
        margin_root=1.5,
        margin_least=3,
    ),
    "claude47": Weights(
        pair_weight=bytes.fromhex(
            "0b27002e24141f15291e3925300531210b021432000008260b17031611000c0f"
            "0b7f083225161b30003e092f320b00320b0608220e12291700150e3b3e092616"
            "0b121f09121126202e240c393300300b0b1c001e1d291f2a272e082035192b1d"
            "0d192c44282b1e291c20264228172e2d0b38162e2421210a0e331f2935193621"
            "0b2c16250b060c0d13210017220c00000512120d24072423000d042513002d15"
            "0b112c00000818210d1e251d480f32080b1215371000001a350000044a050009"
            "0b180134022e4a163b35080f040a1e000b00240100022b1009241e0016002914"
            "0b1f280a111a1a131f0000002f11050c0b000e00000b1c36161a003a47062e0a"
        ),
        pair_unit=35.54,
        byte_weight=bytes.fromhex(
            "0000000000000000000000000000000000000000000000000000000000000000"
            "0000000000000000000000000000000000000000000000000000000000000000"
            "0000000000000000000000000000000000000000000000000000000000000000"
            "0000000000000000000000000000000000000000000000000000000000000000"
            "070002001627000019071e3307247f0c1d2d0027000f1a120c0003180021291b"
            "2d0029080914120c1d0d0c2515070a0a0a1b1b34111b02250a191d0419000002"
            "00000c1c010b0015004243000000070000001650000d000700090e2d00000000"
            "0004260200000000000000000100000024000000000000000000000000000000"
        ),
        byte_unit=29.61,
        start=0.1385,
        margin=0.193,
        margin_foreign=0.7111,
        margin_sampled=0.4,
        margin_root=1.5,
        margin_least=3,
    ),
}
