"""What the EU DSA Transparency Database accepts: fields, values, lengths. Facts only, no rule of our own.

Source: the submission rules of the database's public code, repository
``digital-services-act/transparency-database``, ``app/Http/Requests/StatementStoreRequest.php`` at commit
``d78506ee`` (fields, lengths, conditions) with ``app/Services/EuropeanCountriesService.php`` at the same commit, and
the attribute lists of its API documentation (schema in force since 1 July 2025); read on 2026-11-23. Which keyword
belongs to which category follows Annex II of Implementing Regulation (EU) 2024/2835.

The values of every enumeration were compared with the database's public code of June 2026 and are the same. That
``decision_ground_reference_url`` must be a web address, that an end must not lie before its start, and that a field of
another name is refused are checks of our own: the published validator has none of them.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "COUNTRIES",
    "EU",
    "FIELDS",
    "KEYWORDS",
    "LANGUAGES",
    "LENGTHS",
    "REQUIRED",
    "RESTRICTIONS",
    "VALUES",
]

KEYWORDS: Final[dict[str, tuple[str, ...]]] = {
    "STATEMENT_CATEGORY_ANIMAL_WELFARE": ("KEYWORD_ANIMAL_HARM", "KEYWORD_UNLAWFUL_SALE_ANIMALS"),
    "STATEMENT_CATEGORY_CONSUMER_INFORMATION": (
        "KEYWORD_HIDDEN_ADVERTISEMENT",
        "KEYWORD_INSUFFICIENT_INFORMATION_ON_TRADERS",
        "KEYWORD_MISLEADING_INFO_CONSUMER_RIGHTS",
        "KEYWORD_MISLEADING_INFO_GOODS_SERVICES",
        "KEYWORD_NONCOMPLIANCE_PRICING",
    ),
    "STATEMENT_CATEGORY_CYBER_VIOLENCE": (
        "KEYWORD_CYBER_BULLYING_INTIMIDATION",
        "KEYWORD_CYBER_HARASSMENT",
        "KEYWORD_CYBER_INCITEMENT",
        "KEYWORD_CYBER_STALKING",
        "KEYWORD_NON_CONSENSUAL_IMAGE_SHARING",
        "KEYWORD_NON_CONSENSUAL_MATERIAL_DEEPFAKE",
    ),
    "STATEMENT_CATEGORY_CYBER_VIOLENCE_AGAINST_WOMEN": (
        "KEYWORD_BULLYING_AGAINST_GIRLS",
        "KEYWORD_CYBER_HARASSMENT_AGAINST_WOMEN",
        "KEYWORD_CYBER_STALKING_AGAINST_WOMEN",
        "KEYWORD_FEMALE_GENDERED_DISINFORMATION",
        "KEYWORD_INCITEMENT_AGAINST_WOMEN",
        "KEYWORD_NON_CONSENSUAL_IMAGE_SHARING_AGAINST_WOMEN",
        "KEYWORD_NON_CONSENSUAL_MATERIAL_DEEPFAKE_AGAINST_WOMEN",
    ),
    "STATEMENT_CATEGORY_DATA_PROTECTION_AND_PRIVACY_VIOLATIONS": (
        "KEYWORD_BIOMETRIC_DATA_BREACH",
        "KEYWORD_DATA_FALSIFICATION",
        "KEYWORD_MISSING_PROCESSING_GROUND",
        "KEYWORD_RIGHT_TO_BE_FORGOTTEN",
    ),
    "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH": (
        "KEYWORD_DEFAMATION",
        "KEYWORD_DISCRIMINATION",
        "KEYWORD_HATE_SPEECH",
    ),
    "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS": (
        "KEYWORD_COPYRIGHT_INFRINGEMENT",
        "KEYWORD_DESIGN_INFRINGEMENT",
        "KEYWORD_GEOGRAPHIC_INDICATIONS_INFRINGEMENT",
        "KEYWORD_PATENT_INFRINGEMENT",
        "KEYWORD_TRADEMARK_INFRINGEMENT",
        "KEYWORD_TRADE_SECRET_INFRINGEMENT",
    ),
    "STATEMENT_CATEGORY_NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS": (
        "KEYWORD_MISINFORMATION_DISINFORMATION",
        "KEYWORD_VIOLATION_EU_LAW",
        "KEYWORD_VIOLATION_NATIONAL_LAW",
    ),
    "STATEMENT_CATEGORY_NOT_SPECIFIED_NOTICE": (),
    "STATEMENT_CATEGORY_OTHER_VIOLATION_TC": (
        "KEYWORD_ADULT_SEXUAL_MATERIAL",
        "KEYWORD_AGE_SPECIFIC_RESTRICTIONS",
        "KEYWORD_GEOGRAPHICAL_REQUIREMENTS",
        "KEYWORD_GOODS_SERVICES_NOT_PERMITTED",
        "KEYWORD_LANGUAGE_REQUIREMENTS",
        "KEYWORD_NUDITY",
    ),
    "STATEMENT_CATEGORY_PROTECTION_OF_MINORS": (
        "KEYWORD_AGE_SPECIFIC_RESTRICTIONS_MINORS",
        "KEYWORD_CHILD_SEXUAL_ABUSE_MATERIAL",
        "KEYWORD_CHILD_SEXUAL_ABUSE_MATERIAL_DEEPFAKE",
        "KEYWORD_GROOMING_SEXUAL_ENTICEMENT_MINORS",
        "KEYWORD_UNSAFE_CHALLENGES",
    ),
    "STATEMENT_CATEGORY_RISK_FOR_PUBLIC_SECURITY": (
        "KEYWORD_ILLEGAL_ORGANIZATIONS",
        "KEYWORD_RISK_ENVIRONMENTAL_DAMAGE",
        "KEYWORD_RISK_PUBLIC_HEALTH",
        "KEYWORD_TERRORIST_CONTENT",
    ),
    "STATEMENT_CATEGORY_SCAMS_AND_FRAUD": (
        "KEYWORD_IMPERSONATION_ACCOUNT_HIJACKING",
        "KEYWORD_INAUTHENTIC_ACCOUNTS",
        "KEYWORD_INAUTHENTIC_LISTINGS",
        "KEYWORD_INAUTHENTIC_USER_REVIEWS",
        "KEYWORD_PHISHING",
        "KEYWORD_PYRAMID_SCHEMES",
    ),
    "STATEMENT_CATEGORY_SELF_HARM": (
        "KEYWORD_CONTENT_PROMOTING_EATING_DISORDERS",
        "KEYWORD_SELF_MUTILATION",
        "KEYWORD_SUICIDE",
    ),
    "STATEMENT_CATEGORY_UNSAFE_AND_PROHIBITED_PRODUCTS": ("KEYWORD_PROHIBITED_PRODUCTS", "KEYWORD_UNSAFE_PRODUCTS"),
    "STATEMENT_CATEGORY_VIOLENCE": (
        "KEYWORD_COORDINATED_HARM",
        "KEYWORD_HUMAN_EXPLOITATION",
        "KEYWORD_HUMAN_TRAFFICKING",
        "KEYWORD_INCITEMENT_VIOLENCE_HATRED",
        "KEYWORD_TRAFFICKING_WOMEN_GIRLS",
    ),
}
"""Category to its keywords; every category but the unspecified one also takes ``KEYWORD_OTHER``."""


def _codes(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ALSO: Final = ("KEYWORD_OTHER", "KEYWORD_STALKING")
"""Values of the API documentation that belong to no single category."""

COUNTRIES: Final = _codes("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK")
EU: Final[tuple[str, ...]] = tuple(code for code in COUNTRIES if code not in {"IS", "LI", "NO"})

LANGUAGES: Final = frozenset(
    _codes(
        "AA AB AE AF AK AM AN AR AS AV AY AZ BA BE BG BH BI BM BN BO BR BS CA CE CH CO CR CS CU CV CY DA DE "
        "DV DZ EE EL EN EO ES ET EU FA FF FI FJ FO FR FY GA GD GL GN GU GV HA HE HI HO HR HT HU HY HZ IA ID "
        "IE IG II IK IO IS IT IU JA JV KA KG KI KJ KK KL KM KN KO KR KS KU KV KW KY LA LB LG LI LN LO LT LU "
        "LV MG MH MI MK ML MN MR MS MT MY NA NB ND NE NG NL NN NO NR NV NY OC OJ OM OR OS PA PI PL PS PT QU "
        "RM RN RO RU RW SA SC SD SE SG SI SK SL SM SN SO SQ SR SS ST SU SV SW TA TE TG TH TI TK TL TN TO TR "
        "TS TT TW TY UG UK UR UZ VE VI VO WA WO XH YI YO ZA ZH ZU"
    )
)

VALUES: Final[dict[str, tuple[str, ...]]] = {
    "decision_visibility": tuple(
        f"DECISION_VISIBILITY_{end}"
        for end in (
            "CONTENT_REMOVED",
            "CONTENT_DISABLED",
            "CONTENT_DEMOTED",
            "CONTENT_AGE_RESTRICTED",
            "CONTENT_INTERACTION_RESTRICTED",
            "CONTENT_LABELLED",
            "OTHER",
        )
    ),
    "decision_monetary": tuple(f"DECISION_MONETARY_{end}" for end in ("SUSPENSION", "TERMINATION", "OTHER")),
    "decision_provision": tuple(
        f"DECISION_PROVISION_{end}"
        for end in ("PARTIAL_SUSPENSION", "TOTAL_SUSPENSION", "PARTIAL_TERMINATION", "TOTAL_TERMINATION")
    ),
    "decision_account": ("DECISION_ACCOUNT_SUSPENDED", "DECISION_ACCOUNT_TERMINATED"),
    "account_type": ("ACCOUNT_TYPE_BUSINESS", "ACCOUNT_TYPE_PRIVATE"),
    "decision_ground": ("DECISION_GROUND_ILLEGAL_CONTENT", "DECISION_GROUND_INCOMPATIBLE_CONTENT"),
    "incompatible_content_illegal": ("Yes", "No"),
    "content_type": tuple(
        f"CONTENT_TYPE_{end}"
        for end in ("APP", "AUDIO", "IMAGE", "PRODUCT", "SYNTHETIC_MEDIA", "TEXT", "VIDEO", "OTHER")
    ),
    "category": tuple(KEYWORDS),
    "category_addition": tuple(KEYWORDS),
    "category_specification": (*(word for words in KEYWORDS.values() for word in words), *_ALSO),
    "territorial_scope": COUNTRIES,
    "source_type": (
        "SOURCE_ARTICLE_16",
        "SOURCE_TRUSTED_FLAGGER",
        "SOURCE_TYPE_OTHER_NOTIFICATION",
        "SOURCE_VOLUNTARY",
    ),
    "automated_detection": ("Yes", "No"),
    "automated_decision": (
        "AUTOMATED_DECISION_FULLY",
        "AUTOMATED_DECISION_PARTIALLY",
        "AUTOMATED_DECISION_NOT_AUTOMATED",
    ),
}
"""Field to the values it takes."""

LISTS: Final[frozenset[str]] = frozenset(
    {"decision_visibility", "content_type", "category_addition", "category_specification", "territorial_scope"}
)
"""Fields that are lists of values."""

RESTRICTIONS: Final[tuple[str, ...]] = (
    "decision_visibility",
    "decision_monetary",
    "decision_provision",
    "decision_account",
)
"""At least one of these must be given."""

REQUIRED: Final[tuple[str, ...]] = (
    "decision_ground",
    "content_type",
    "category",
    "content_date",
    "application_date",
    "decision_facts",
    "source_type",
    "automated_detection",
    "automated_decision",
    "puid",
)

WHEN: Final[dict[str, tuple[str, str]]] = {
    "decision_visibility_other": ("decision_visibility", "DECISION_VISIBILITY_OTHER"),
    "decision_monetary_other": ("decision_monetary", "DECISION_MONETARY_OTHER"),
    "illegal_content_legal_ground": ("decision_ground", "DECISION_GROUND_ILLEGAL_CONTENT"),
    "illegal_content_explanation": ("decision_ground", "DECISION_GROUND_ILLEGAL_CONTENT"),
    "incompatible_content_ground": ("decision_ground", "DECISION_GROUND_INCOMPATIBLE_CONTENT"),
    "incompatible_content_explanation": ("decision_ground", "DECISION_GROUND_INCOMPATIBLE_CONTENT"),
    "content_type_other": ("content_type", "CONTENT_TYPE_OTHER"),
}
"""Field that is required when another field has (or holds) a value."""

LENGTHS: Final[dict[str, int]] = {
    "decision_visibility_other": 500,
    "decision_monetary_other": 500,
    "category_specification_other": 500,
    "decision_ground_reference_url": 500,
    "illegal_content_legal_ground": 500,
    "illegal_content_explanation": 2000,
    "incompatible_content_ground": 500,
    "incompatible_content_explanation": 2000,
    "content_type_other": 500,
    "decision_facts": 5000,
    "source_identity": 500,
    "puid": 500,
}
"""Field to its greatest length in characters."""

DATES: Final[dict[str, tuple[str, str]]] = {
    "content_date": ("2000-01-01", "2038-01-01"),
    "application_date": ("2020-01-01", "2038-01-01"),
    "end_date_account_restriction": ("", "2038-01-01"),
    "end_date_monetary_restriction": ("", "2038-01-01"),
    "end_date_service_restriction": ("", "2038-01-01"),
    "end_date_visibility_restriction": ("", "2038-01-01"),
}
"""Field to its first and last date; an end also may not lie before the application date."""

FIELDS: Final[frozenset[str]] = frozenset(
    {*VALUES, *LENGTHS, *DATES, *WHEN, *REQUIRED, "content_language", "content_id", "content_id_ean"}
)
"""All fields."""
