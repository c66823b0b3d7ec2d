"""The lines that the system itself writes into a chat, in every language of the product.

English and the words for a started trip and an emergency come from the planning document. `REVIEWED` names the
languages that somebody who speaks them from childhood has read.
"""

from __future__ import annotations

LANGUAGES = ("en", "ru", "kk", "es")
DEFAULT = "en"
REVIEWED = frozenset({"en"})

SYSTEM_LINES: dict[str, dict[str, str]] = {
    "trip_started": {
        "en": "Trip started - Stay safe!",
        "ru": "Поездка началась. Берегите себя!",
        "kk": "Сапар басталды. Аман болыңыз!",
        "es": "El viaje ha comenzado. ¡Cuídese!",
    },
    "pickup": {
        "en": "Your driver is on the way to the pickup point.",
        "ru": "Водитель едет к месту посадки.",
        "kk": "Жүргізуші сізді алатын жерге келе жатыр.",
        "es": "El conductor va hacia el punto de recogida.",
    },
    "arriving": {
        "en": "The driver is arriving.",
        "ru": "Водитель подъезжает.",
        "kk": "Жүргізуші жақындап қалды.",
        "es": "El conductor está llegando.",
    },
    "completed": {
        "en": "Trip completed. Thank you for riding with us.",
        "ru": "Поездка завершена. Спасибо, что ехали с нами.",
        "kk": "Сапар аяқталды. Бізбен бірге жүргеніңізге рақмет.",
        "es": "Viaje terminado. Gracias por viajar con nosotros.",
    },
    "cancelled": {
        "en": "The trip was cancelled.",
        "ru": "Поездка отменена.",
        "kk": "Сапардан бас тартылды.",
        "es": "El viaje fue cancelado.",
    },
    "driver_swapped": {
        "en": "Another driver takes over this trip.",
        "ru": "Эту поездку выполнит другой водитель.",
        "kk": "Бұл сапарды басқа жүргізуші орындайды.",
        "es": "Otro conductor se encarga de este viaje.",
    },
    "emergency": {
        "en": "Emergency reported. Support has been notified and will contact you shortly.",
        "ru": "Сообщение об экстренной ситуации принято. Поддержка уведомлена и скоро свяжется с вами.",
        "kk": "Төтенше жағдай туралы хабар қабылданды. Қолдау қызметі хабардар, жақында сізбен байланысады.",
        "es": "Emergencia comunicada. El equipo de ayuda ha sido avisado y le contactará en breve.",
    },
    "warning": {
        "en": "Our safety team asks you to keep this conversation respectful and within the app.",
        "ru": "Команда безопасности просит вас общаться уважительно и только в приложении.",
        "kk": "Қауіпсіздік тобы сізден сыпайы сөйлесуді және тек қолданба ішінде жазуды сұрайды.",
        "es": "El equipo de seguridad le pide respeto y que la conversación siga dentro de la aplicación.",
    },
    "safety_notice": {
        "en": "Our safety team is watching over this trip. Write here if you need anything.",
        "ru": "Команда безопасности следит за этой поездкой. Напишите сюда, если что-то нужно.",
        "kk": "Қауіпсіздік тобы осы сапарды бақылап отыр. Бірдеңе керек болса, осында жазыңыз.",
        "es": "El equipo de seguridad está pendiente de este viaje. Escriba aquí si necesita algo.",
    },
}


def language_of(locale: str | None) -> str:
    """The language that we speak for a locale such as `ru-KZ`; English when we do not speak it."""
    code = (locale or DEFAULT).replace("_", "-").split("-", 1)[0].lower()
    return code if code in LANGUAGES else DEFAULT


def system_line(key: str, locale: str | None) -> str:
    """The text of a system line. Raises KeyError for a key that does not exist."""
    return SYSTEM_LINES[key][language_of(locale)]
