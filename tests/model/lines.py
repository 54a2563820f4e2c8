"""Lines to compare tokenizers on: some written by hand, many made from those by plain transformations."""

from __future__ import annotations

import unicodedata

KOREAN = [
    "나루에 새 다리가 놓인다.",
    "공사비는 구십억 원이고 내년 봄에 시작한다.",
    "사공은 “배가 사라질까 걱정이다.”라고 말했다.",
    "물가가 2.8% 올라 1,234,567원이 되었다.",
    "제3조(목적) 이 규칙은 나루터의 이용을 정한다.",
    "띄어쓰기없이붙여쓴아주긴문장도읽을수있어야한다",
    "ㅋㅋㅋㅋ 진짜 ㅠㅠ 그래도 ㄱㅅ",
    "똠방각하와 펲시, 뷁 그리고 믜",
    "강남역 3번 출구 앞 24시간 편의점(야간 할증 없음)",
    "서울特別市 中區 世宗大路 110",
    "전화 02-123-4567, 전자우편 naru@example.com",
    "첫째; 둘째: 셋째 — 넷째 / 다섯째 · 여섯째…",
    "그는 갔다.왔다.또 갔다.",
    "오늘 기온은 영하 12.5℃, 습도 40％",
    "배터리 용량 5,000㎃h, 무게 1.2㎏",
    "'작은따옴표' ‘둥근 따옴표’ 「낫표」 『겹낫표』 《겹화살괄호》",
    "나는 학교에 갑니다, 너는 집에 있거라, 우리는 바다로 간다!",
    "회의록_최종_진짜최종(2).hwp",
    "되었다 됐다 돼다 되다 됬다",
    "가 나 다 라 마 바 사 아 자 차 카 타 파 하",
]
ENGLISH = [
    "The ferry leaves twice a day.",
    "Don't they'll we've I'm",
    "State-of-the-art e-mail co-operation",
    "A VERY LOUD LINE",
    "camelCaseName snake_case_name kebab-case-name",
    "https://example.com/path?query=1&other=a%20b#part",
    "3.14159 1e-9 0xFF 1/2 50% $1,299.99",
    "naïve café résumé Zürich Ålesund",
    "if (a[i] != b->c) { return x ** 2; }",
    "supercalifragilisticexpialidocious",
    "Mr. Smith et al., vol. 3, pp. 12–34",
    "the the the the",
]
JAPANESE = [
    "渡し場に新しい橋が架かる。",
    "カタカナとひらがなと漢字",
    "最終バスは夜11時半に出ます！",
    "「はい」と彼は言った…",
    "東京都千代田区1-2-3",
    "ＡＢＣｄｅｆ１２３",
    "すもももももももものうち",
    "ヴァイオリンとゔぁいおりん",
]
ODD = [
    "",
    " ",
    "   앞뒤에 빈칸   ",
    "빈칸이    여러     개",
    "탭\t하나\t\t둘",
    "줄\n바꿈\r\n두 가지\r셋",
    "이모지 😀👍🏽👩‍👩‍👧‍👦🇰🇷🏴󠁧󠁢󠁥󠁮󠁧󠁿 끝",
    "전각 ～１２３ＡＢＣ！？（）［］",
    "㈜나루 ① ② ⑳ ㉠ ㉮ ㏊ ㎢ № ™ ℡",
    "半角 ﾊﾟｿｺﾝ ｶﾞｷﾞｸﾞ ｱｲｳ｡｢｣",
    "자모 ㄱㅏㄴ ㅎㅏㄴ ﾡﾢￂ",
    "\u1112\u1161\u11ab\u1100\u1173\u11af 첫가끝",
    "폭 없는\u200b빈칸\u200c과\u200d이음\ufeff표\u2060",
    "부드러운\u00ad하이픈 과 줄바꿈없는\u00a0빈칸\u202f좁은",
    "전각\u3000빈칸\u2003과\u2009얇은",
    "שלום עולם و مرحبا بالعالم ١٢٣",
    "\u202e뒤집힌\u202c 글",
    "𝐀𝐁𝐂 𝒳𝒴 𝟙𝟚𝟛 ℝ ℵ ∑∫√∞ x² H₂O",
    "제어\x00\x01\x1b[31m문자\x7f\x85끝",
    "ﬁ ﬂ ﬀ Ǆ ĳ ŉ ſ ẞ",
    "e\u0301 é a\u0308 ä n\u0303 ñ",
    "Z̸̢̛a̶͕͝l̷̰̈g̵̱̈o̸̧͝",
    "ไทย ภาษา हिन्दी தமிழ் Ελληνικά русский",
    "中文简体 中文繁體 〇一二三 豈更車 𠮷野家",
    "\ue000\uf8ff 개인 영역 \U000f0000",
    "▁밑줄 _밑줄_ ▁▁ 조각",
    "!!!???...,,,;;;~~~***###",
    "<b>굵게</b> &amp; &#39; <s 나 </ s>",
    "½ ¼ ⅓ ㆍ ‥ ‧ ・ ･",
    "ꥠꥡ ힰힱ 옛한글 ᄒᆞᆫ글",
]
BASE = KOREAN + ENGLISH + JAPANESE + ODD


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def lines() -> list[str]:
    """All of them in NFC, as documents and questions come to the tokenizer, without repetition, in a fixed order."""
    made = list(BASE)
    for transform in (
        lambda text: unicodedata.normalize("NFKC", text),
        lambda text: text.replace(" ", "") * 3,
        full_width,
        str.swapcase,
        lambda text: text[::-1],
        lambda text: text.replace(" ", ""),
        lambda text: "\u200b".join(text),
        lambda text: text.replace(" ", " \u3000 "),
    ):
        made += [transform(text) for text in BASE]
    made += [f"{first} {second}" for first, second in zip(BASE, BASE[7:] + BASE[:7], strict=True)]
    made += ["가나다라마바사 " * 625, "나루" * 2_500, "😀" * 5_000, " " * 5_000]  # 5,000 characters and more
    return list(dict.fromkeys(unicodedata.normalize("NFC", line) for line in made))
