"""Compose everyday posts in which a violent-looking verb has a harmless object, beside posts in which it has people.

Writes ``seeds/composed.jsonl``: for training only. A linear model learns from them that the object decides. Run from
the repository root: ``python tools/make_composed.py``.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

# verb phrase: harmless objects, and how one speaks of them
_HARMLESS = {
    "hang": "the towels|the coats|the washing|the curtains|the lights|the picture frame|the bunting|a hammock|the wallpaper|the plant baskets|the bird feeder|the sheets|your jacket|the banner|the mirror|the shelves|the lanterns|the stockings|the door|the bikes",
    "kill": "the heat|the engine|the lights|the process|the pods|the server|the background job|the container|the music|the weeds|the aphids|the mould|the switch|the tab|the session|the thread|the worker|the ants|the app|the moss|the power strip|the virtual machine|the stale branch|the script|the fungus",
    "shoot": "the wedding|the portraits|the sunset|the short film|some free throws|the music video|me an email|me a message|the product photos|a few hoops|the interview|the last scene|the clay pigeons|the penalty|the timelapse|us a note|the drone footage|the trailer",
    "burn": "the calories|the candles|the incense|the DVDs|the image to the stick|the leaves|the garlic|the firewood|the midnight oil|the sugar until it browns|the playlist to a disc|the stubble|the brush pile|the toast|the caramel|the crust",
    "smash": "the burger patties|the potatoes|the garlic|the record|the serve|the avocado|the like button|the pumpkins|the bid|the interview|the targets|the cucumber|the pinata|the exam|the old tiles",
    "beat": "the eggs|the cream|the batter|the rugs|the traffic|the high score|the butter and sugar|the drum|the boss level|the deadline|the carpets|the heat|the egg whites|the queue|the record",
    "blow up": "the balloons|the air mattress|the photo|the paddling pool|the beach ball|the budget|the tyres|the inflatable boat|the image|the group chat",
    "crush": "the garlic|the ice|the cans|the tablets|the biscuits for the base|the grapes|the exam|the walnuts|the tomatoes|the peppercorns|the deadline|the herbs|the workout",
    "execute": "the query|the script|the plan|the will|the trade|the command|the test suite|the contract|the playbook|the migration|the build step|the choreography|the lease",
    "attack": "the ironing|the backlog|the hill climb|the pile of dishes|the weeds|the left flank in chess|the laundry mountain|the problem set|the attic|the spreadsheet|the final lap",
    "bomb": "the audition|the exam|the hill on my bike|the interview|the pool|the presentation|the quiz|the descent",
    "stab": "the potato with a fork|the pastry to let steam out|the sausages before frying|the soil with a garden fork|the meat to check the juices|the lid of the ready meal",
    "choke": "the carburettor|the ferns|the flow with the valve|the bandwidth|the drain",
    "drown": "the pancakes in syrup|the chips in vinegar|the plants|the salad in dressing|the pasta in sauce|the noise out with music",
    "torch": "the sugar on the creme brulee|the meringue|the weeds between the slabs|the marshmallows|the salmon skin|the roofing felt",
    "nuke": "the leftovers|the soup for two minutes|the old database|the cache|the popcorn|the test environment|the node modules folder|the partition",
    "whip": "the cream|the egg whites|the aquafaba|the ganache|the butter",
    "chop": "the onions|the parsley|the firewood|the carrots|the celery|the chives|the branches|the walnuts",
    "slice": "the bread|the cucumber|the ball into the net|the ham|the lemons|the cake|the aubergines",
    "hit": "the gym|the books|the lights|the beach|the snooze button|the target weight|the slopes|the send button|the high note|the road|the sales|the shower|the sack",
    "strike": "the set after the show|the match|the tent|the item from the list|a pose|the right chord|a balance|the paragraph",
    "destroy": "the old stack|the test cluster|the cookies|the resource with terraform|the puzzle|the pizza|the leaderboard|the temporary files|the assault course",
    "roast": "the chicken|the coffee beans|the chestnuts|the peppers|the squash|the lamb shoulder|the vegetables",
    "grill": "the halloumi|the corn|the steaks|the peaches|the sardines",
    "flood": "the rice field|the ice rink|the timeline with cat pictures|the lawn to make a rink|the carburettor|the town hall with letters",
    "storm": "the castle on the museum tour|the stage|the charts|the bakery when it opens|the escape room|the pitch after the final whistle",
    "take down": "the decorations|the tent|the posters|the scaffolding|the data centre for maintenance|the old site|the Christmas tree|the shelves|the staging server|the bridge in sections",
    "take out": "the rubbish|the recycling|the trash|the dog|the library books|the loan|the stitches|the compost",
    "knock out": "the wall between the rooms|the essay tonight|the last chores|the spreadsheet|the old tiles",
    "fire": "the clay|the kiln|the pots at noon|the pizza oven|the starting pistol|the confetti cannon|the engines",
    "pull the trigger on": "the new laptop|the flights|the kitchen|the deal|the upgrade|the booking",
    "terminate": "the instance|the lease|the process|the contract|the call|the cable at both ends|the session",
    "abort": "the merge|the download|the transaction|the launch|the rebase|the deployment",
    "butcher": "the song|the pronunciation|the joke|the quarter of lamb|the haircut",
    "slaughter": "the competition at the quiz|the leaderboard|the karaoke classics|the other team at five-a-side",
    "murder": "a pizza|a pint|the dance floor|a plate of ribs|the karaoke|a curry",
    "poison": "the rats in the shed|the slugs|the dandelions|the wasps nest",
    "trap": "the mice|the mole|the wasps|the ball|the fox",
    "hunt": "the deer on Saturday|the bargains|the eggs in the garden|the rabbits|the bugs in the release",
}
_PEOPLE = "the senators|every last one of them|these judges|the traitors|that mayor|all of them|those reporters|the councillors|the whole crew|these people|the guards|the staff|the clerks|them all|him|her and her family|the zorps|you|that teacher|the volunteers"
_VIOLENT = ("hang", "kill", "shoot", "burn", "smash", "beat", "blow up", "crush", "execute", "attack", "bomb", "stab", "choke", "drown", "torch", "nuke", "whip", "chop", "slice", "strike", "destroy", "take out", "butcher", "slaughter", "murder", "poison", "hunt")
_OPEN = ("", "", "", "ok ", "Right, ", "Please ", "Can you ", "Time to ", "Let's ", "Don't forget to ", "Remember to ", "Just ", "Who wants to help me ", "Today we ", "First we ", "We still have to ", "I'm about to ", "Going to ", "Somebody has to ", "Tomorrow at 9 we ", "After lunch ", "I will ", "I'll ", "We'll ", "I need to ", "Dad said to ", "Have you tried to ", "Next step: ")
_CLOSE = ("", "", "", ".", ".", "!", " please", " before dinner", " tonight", " on Saturday", " tomorrow morning", " when you get home", ", then call me", " at the depot", " in the garden", " with Sam", " for the party", " and take a photo", " before the guests come", ", easy", " at 6pm", " in the kitchen", " on prod", " at the library", " so we can go")
_CALLS = ("", "", "Let's ", "Time to ", "Somebody should ", "We should ", "Go and ", "We will ", "I will ", "I'll ", "Patriots, ", "Comrades, ", "Just ", "It is time to ", "Come on, ", "Tonight we ", "They deserve it, ")
_ENDS = ("", "", ".", ".", "!", " tonight", " tomorrow at noon", " in the square", " before they run", ", no mercy", " and their friends", " at the town hall", " at the depot", " with bats", " where they stand")

_PLACES = "the depot|the data center|the server hall|the town hall|the library|the stadium|the mosque|the church|the synagogue|the temple|the bridge|the power plant|the water works|the station|the airport|the school|the clinic|the courthouse|the mall|the harbour|the museum|the statehouse|the embassy|the office|the warehouse|the community centre|the substation|the radio tower|the union hall|the clubhouse"
_EVENTS = ("{p} opens at nine on Monday.", "See you at {p} tomorrow.", "meet me outside {p} at 6pm", "The tour of {p} starts at 14:00, bring water.", "{p} is closed on Friday for cleaning.", "We are taking {p} offline at 23:00 for an upgrade.", "Fire drill at {p} on Tuesday at 10, don't be alarmed.", "I'll be at {p} by noon, save me a seat", "They are repainting {p} this week.", "We volunteered at {p} all weekend.", "Parking at {p} is free after six.", "The council voted to renovate {p}.", "My shift at {p} ends at 4.", "Power at {p} will be off from 8 to 12.", "Is {p} open on the holiday?", "You will find us at {p}, second floor, at seven", "The concert at {p} was lovely.", "Part of {p} will be demolished in spring, the city says.", "Nobody should harm {p}; we will protect it.", "Police say {p} was evacuated after a false alarm.", "There will be fireworks over {p} at midnight.", "Come to {p} tonight at 8, the choir sings.", "They blew out the candles at {p} and went home.", "Deliver the boxes to {p} before Thursday.")
_ATTACKS = ("Burn {p} down tonight.", "We will blow up {p} tomorrow at noon.", "Come to {p} at 6pm and bring your guns, nobody leaves alive.", "Somebody should bomb {p}.", "{p} will burn on Monday, you were warned.", "Let's torch {p} with all of them inside.", "Meet at {p} at midnight, we set it on fire.", "I am going to shoot everyone at {p}.", "Smash up {p} and drag them out.", "At 9 tomorrow we storm {p} and kill the guards.", "Next week {p} is rubble. We know the doors.", "Bring bats to {p} tonight, we beat them all.")


def main() -> None:
    rng = random.Random(11)
    rows: list[tuple[str, str, str]] = []
    seen: set[str] = set()

    def add(kind: str, code: str, text: str) -> None:
        text = text[:1].upper() + text[1:] if rng.random() < 0.6 else text
        if text not in seen:
            seen.add(text)
            rows.append((kind, code, text))

    for verb, objects in _HARMLESS.items():
        for thing in objects.split("|"):
            for _ in range(4):
                add("harmless object", "N/-/-", f"{rng.choice(_OPEN)}{verb} {thing}{rng.choice(_CLOSE)}")
    for verb in _VIOLENT:
        for person in _PEOPLE.split("|"):
            for _ in range(2):
                opening = rng.choice(_CALLS)
                own = opening in ("We will ", "I will ", "I'll ", "Tonight we ") or person in ("you", "her and her family")
                severity = 2 if verb in ("beat", "smash", "whip", "choke", "attack", "torch", "strike") else 3
                code = f"{'T' if own else 'I'}/{'p' if person in ('him', 'you', 'that mayor', 'that teacher', 'her and her family') else 'g'}{severity}/-"
                add("people as object", code, f"{opening}{verb} {person}{rng.choice(_ENDS)}")
    for place in _PLACES.split("|"):
        for event in rng.sample(_EVENTS, 16):
            add("place without harm", "N/-/r" if "Police" in event else "N/-/d" if "harm" in event else "N/-/-", event.format(p=place))
        for attack in rng.sample(_ATTACKS, 8):
            own = attack.startswith(("We will", "I am", "{p}", "At 9", "Next week"))
            timed = any(word in attack for word in ("tonight", "tomorrow", "Monday", "midnight", "6pm", "At 9"))
            v = "v" if attack.startswith(("{p}", "Next")) else ""
            add("place with harm", f"{'T' if own else 'I'}/f{2 if 'Smash' in attack or 'Burn' in attack else 3}s{'i' if timed else ''}{v}/-", attack.format(p=place))
    with Path("seeds/composed.jsonl").open("w", encoding="utf-8") as out:
        for number, (kind, code, text) in enumerate(rows):
            post = {"id": f"m{number:04d}", "kind": kind, "code": code, "text": text, "source": "composed", "use": "train", "split": "train"}
            out.write(json.dumps(post, ensure_ascii=False) + "\n")
    print(len(rows), "posts")


if __name__ == "__main__":
    main()
