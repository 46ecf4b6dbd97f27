"""What the responsible-AI part of the Croissant file says (RAI 1.0), put together from the records: each line is true.

A data set of drawn scenes has other biases and shows other people than one of photographs, so that sentences hang on
the sources, makers and up-scalers that the records name.
"""
from typing import NamedTuple

from pixverve_lib.paper.constants import PIXVERVE_LICENSE


class _Origin(NamedTuple):
    collection: str  # one of the types that RAI 1.0 names
    how: str
    bias: str
    people: str


_PHOTOGRAPHS = "photographs may show people and private places; no face was looked for, blurred or removed"
_ORIGINS = {
    "drawn": _Origin("Software Collection", "drawn by this kit's own program, without a camera",
                     "landscapes, still lifes, streets, foliage and nights, drawn by rules: nothing else occurs",
                     "drawn scenes show nobody"),
    "synthesized": _Origin("Others", "made by a text-to-image model at the user's endpoint",
                           "what that model was trained on", "pictures of a model may look like people that exist"),
    "photo site": _Origin("Web API", "asked for by search words, through the site's official API",
                          "what photographers publish, and what the search words find", _PHOTOGRAPHS),
    "folder": _Origin("Others", "the user's own folder; how it came to be is not known here",
                      "whoever filled the folder chose", _PHOTOGRAPHS),
    "data set": _Origin("Secondary Data Analysis", "taken from a published data set",
                        "whatever that data set has", _PHOTOGRAPHS),
}


def statements(rows):
    """The `rai:` properties of an export.  rows: from export.annotation_records"""
    origins = {source: _ORIGINS[_kind(source)] for source in sorted({row["source"] for row in rows})}
    makers = sorted({maker for row in rows for maker in row["makers"].values()})
    upscalers = sorted({row["upscaler"] for row in rows} - {""})
    return {f"rai:{name}": text for name, text in (_collection(rows, origins, upscalers) | _annotation(makers)
                                                   | _consequences(rows, origins, makers, upscalers)).items()}


def _kind(source):
    if "built-in scenes" in source:  # also where they stand in for synthesized pictures
        return "drawn"
    if source.startswith("synthesized"):
        return "synthesized"
    return {"Pexels": "photo site", "Unsplash": "photo site", "folder": "folder"}.get(source, "data set")


def _collection(rows, origins, upscalers):
    native = sum(not row["upscaler"] for row in rows)
    enlarged = f"; enlarged 2x or 4x by {', '.join(upscalers)}: {len(rows) - native}" if upscalers else ""
    return {
        "dataCollection": "; ".join(f"{source}: {origin.how}" for source, origin in origins.items()),
        "dataCollectionType": sorted({origin.collection for origin in origins.values()}),
        "dataCollectionMissingData": "Author and page are empty where the source names none. An instance whose "
                                     "description failed has null. 'not assessed' stands where nobody could judge.",
        "dataPreprocessingProtocol": [
            "Screened by size, cleared of duplicates and filtered by five detectors (PixVerve, Sec. 3.1.1, 3.1.2).",
            "Enlarged pictures were filtered for seams, for consistency, and for defects of regions and of instances "
            "(Sec. 3.1.4)."],
        "dataManipulationProtocol": f"Native, with the pixels that were collected: {native}{enlarged}.",
    }


def _annotation(makers):
    return {
        "dataAnnotationProtocol": ["Stage by stage as in Sec. 3.1.5: tags, boxes, masks, instance descriptions, an "
                                   "aesthetic analysis, a long and a short caption. No person has corrected them."],
        "dataAnnotationPlatform": ["none: the kit's own program"],
        "dataAnnotationAnalysis": ["Each part was made once; agreement between annotators was not measured."],
        "annotationsPerItem": "1",
        "annotatorDemographics": ["no people: every annotation was made by a program"],
        "machineAnnotationTools": makers,
    }


def _consequences(rows, origins, makers, upscalers):
    limits = [f"{len(rows)} pictures; PixVerve-95K has 95,935 (Tab. 1).", "Texts were written or asked for in English."]
    if "classical" in makers:
        limits.append("Texts by 'classical' are put together from measurements and know no meaning.")
    if upscalers:
        limits.append("The finest detail of an enlarged picture was made up by its up-scaler.")
    return {
        "dataBiases": [f"{source}: {origin.bias}" for source, origin in origins.items()]
        + ["The detectors prefer sharp, textured, well exposed pictures that two predictors of taste like."],
        "dataLimitations": limits,
        "personalSensitiveInformation": [
            *sorted({origin.people for origin in origins.values()}),
            "names of authors and links to their pages are kept where the source gives them, for licences ask for it"],
        "dataUseCases": ["train: trying out and studying text-to-image training at 100 megapixels.",
                         "bench: reference pictures of the metrics; never train on them.",
                         "Not meant for recognising, describing or judging people."],
        "dataSocialImpact": "Models trained on very large realistic pictures can be misused to mislead; the paper asks "
                            "for vigilance, regulation and technical counter-measures (Sec. 5).",
        "dataReleaseMaintenancePlan": "An export of one run of a reproducibility kit, neither published nor maintained;"
                                      " running notebook 03 again replaces it. Each picture keeps the licence of its "
                                      f"source; the paper releases its own data set under {PIXVERVE_LICENSE} (App. C).",
    }
