"""The quick messages that a new installation starts with.

The driver's nine keys and their English words are those of the product's planning document. The other texts are ours;
`native` says which languages somebody who speaks them from childhood has read: so far none but English.
"""

from __future__ import annotations

from typing import NamedTuple

import uuid_utils.compat

LANGUAGES = ("en", "ru", "kk", "es")


class Seed(NamedTuple):
    key: str
    audience: str
    category: str
    en: str
    ru: str
    kk: str
    es: str


SEEDS = (
    Seed(
        "driver_on_way", "driver", "pickup",
        "I'm on my way to pick you up!",
        "Уже еду за вами!",
        "Сізді алып кетуге шықтым!",
        "¡Voy en camino a recogerle!",
    ),
    Seed(
        "driver_arrived", "driver", "pickup",
        "I've arrived at the pickup location",
        "Я на месте посадки",
        "Мен сізді күтетін жерге келдім",
        "He llegado al punto de recogida",
    ),
    Seed(
        "driver_late", "driver", "pickup",
        "Running 5 minutes late, sorry for the delay",
        "Опаздываю на 5 минут, извините за задержку",
        "5 минутқа кешігіп жатырмын, кешіріңіз",
        "Llego 5 minutos tarde, disculpe el retraso",
    ),
    Seed(
        "driver_cant_find", "driver", "pickup",
        "Having trouble finding you, can you help?",
        "Не могу вас найти, подскажете?",
        "Сізді таба алмай тұрмын, көмектесіп жібересіз бе?",
        "No consigo encontrarle, ¿me puede ayudar?",
    ),
    Seed(
        "driver_trip_started", "driver", "navigation",
        "Trip started! Enjoy the ride",
        "Поездка началась! Приятной дороги",
        "Сапар басталды! Жолыңыз болсын",
        "¡Empieza el viaje! Disfrute del trayecto",
    ),
    Seed(
        "driver_traffic", "driver", "navigation",
        "There's some traffic ahead, might be a few extra minutes",
        "Впереди пробка, может занять на несколько минут дольше",
        "Алда кептеліс бар, бірнеше минут көбірек кетуі мүмкін",
        "Hay tráfico más adelante, puede que tardemos unos minutos más",
    ),
    Seed(
        "driver_arriving", "driver", "completion",
        "We're almost at your destination",
        "Мы почти приехали",
        "Баратын жеріңізге жетіп қалдық",
        "Ya casi llegamos a su destino",
    ),
    Seed(
        "driver_trip_complete", "driver", "completion",
        "Trip completed! Thank you for riding with StepperGO",
        "Поездка завершена! Спасибо, что выбрали StepperGO",
        "Сапар аяқталды! StepperGO-ны таңдағаныңызға рақмет",
        "¡Viaje terminado! Gracias por viajar con StepperGO",
    ),
    Seed(
        "emergency_help", "both", "emergency",
        "This is an emergency situation, please contact support",
        "Это экстренная ситуация, свяжитесь с поддержкой",
        "Бұл төтенше жағдай, қолдау қызметіне хабарласыңыз",
        "Esto es una emergencia, contacte con el equipo de ayuda",
    ),
    Seed(
        "customer_on_way", "customer", "pickup",
        "I'm coming out now",
        "Уже выхожу",
        "Қазір шығамын",
        "Ya salgo",
    ),
    Seed(
        "customer_at_pickup", "customer", "pickup",
        "I'm at the pickup point",
        "Я на месте посадки",
        "Мен күтетін жердемін",
        "Estoy en el punto de recogida",
    ),
    Seed(
        "customer_wait", "customer", "pickup",
        "Please wait, I need two more minutes",
        "Подождите, пожалуйста, ещё две минуты",
        "Тағы екі минут күте тұрыңызшы",
        "Espere dos minutos más, por favor",
    ),
    Seed(
        "customer_where", "customer", "pickup",
        "I can't see you, where are you?",
        "Не вижу вас, где вы?",
        "Сізді көрмей тұрмын, қайдасыз?",
        "No le veo, ¿dónde está?",
    ),
    Seed(
        "customer_luggage", "customer", "pickup",
        "I have luggage with me",
        "У меня багаж",
        "Менде жүк бар",
        "Llevo equipaje",
    ),
    Seed(
        "customer_stop_here", "customer", "navigation",
        "Please stop here",
        "Остановите здесь, пожалуйста",
        "Осы жерге тоқтаңызшы",
        "Pare aquí, por favor",
    ),
    Seed(
        "customer_thanks", "customer", "completion",
        "Thank you for the ride!",
        "Спасибо за поездку!",
        "Сапарға рақмет!",
        "¡Gracias por el viaje!",
    ),
)  # fmt: skip


def seed_rows() -> list[dict[str, str]]:
    """The rows of `message_template` in a new database."""
    return [
        {
            "id": str(uuid_utils.compat.uuid7()),
            "key": seed.key,
            "lang": lang,
            "audience": seed.audience,
            "category": seed.category,
            "text": getattr(seed, lang),
            "native": "true" if lang == "en" else "false",
        }
        for seed in SEEDS
        for lang in LANGUAGES
    ]
