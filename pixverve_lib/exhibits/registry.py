"""Every exhibit: who emits it, what draws it, what file it becomes. `emit` alone writes figures/."""
import json
from dataclasses import dataclass
from pkgutil import resolve_name

import pandas as pd
from IPython.display import HTML, Image

from pixverve_lib.exhibits.files import png
from pixverve_lib.kit import provenance, style
from pixverve_lib.kit.artefacts import write_bytes_atomically

KINDS = ("measured", "transcribed", "drawn")
PARTS = " │ "  # between the parts of a cell


@dataclass(frozen=True)
class Exhibit:
    """function: "module:name" below pixverve_lib.exhibits; it returns a Figure or a DataFrame. stem: of its files."""

    notebook: str
    function: str
    stem: str
    kind: str


EXHIBITS = {
    "Fig. 4": Exhibit("01_curation", "curation:detector_examples", "fig_04_detectors", "measured"),
    "Tab. 1a": Exhibit("01_curation", "curation:pool_sizes", "tab_01a_pools", "measured"),
    "Attrition": Exhibit("01_curation", "curation:attrition", "ours_01_attrition", "measured"),
    "Detector scores": Exhibit("01_curation", "curation:score_histograms", "ours_01_scores", "measured"),
    "Planted faults": Exhibit("01_curation", "curation:planted_faults", "ours_01_planted", "measured"),
    "Deduplication": Exhibit("01_curation", "curation:deduplication_cost", "ours_01_deduplication", "measured"),
    "Super-resolution tiers": Exhibit("02_super_resolution", "super_resolution:tiers", "ours_02_tiers", "measured"),
    "Close-ups": Exhibit("02_super_resolution", "super_resolution:crops", "ours_02_close_ups", "measured"),
    "Fig. A1": Exhibit("02_super_resolution", "super_resolution:fig_a1", "fig_a1_spectra", "measured"),
    "Up-scalers": Exhibit("02_super_resolution", "super_resolution:upscaler_table", "ours_02_upscalers", "measured"),
    "Seam map": Exhibit("02_super_resolution", "super_resolution:seam_map", "ours_02_seam_map", "measured"),
    "Seam inspection": Exhibit("02_super_resolution", "super_resolution:seam_roc", "ours_02_seam_roc", "measured"),
    "Consistency": Exhibit("02_super_resolution", "super_resolution:consistency", "ours_02_consistency", "measured"),
    "Final filters": Exhibit("02_super_resolution", "super_resolution:final_filters", "ours_02_filters", "measured"),
    "Instances": Exhibit("03_captioning", "annotation:instances", "ours_03_instances", "measured"),
    "Role quality": Exhibit("03_captioning", "annotation:quality", "ours_03_roles", "measured"),
    "Artefact judge": Exhibit("03_captioning", "annotation:judge_roc", "ours_03_judge", "measured"),
    "Judged filters": Exhibit("03_captioning", "annotation:filters", "ours_03_filters", "measured"),
    "Tab. 1": Exhibit("03_captioning", "annotation:data_flow", "tab_01_data_flow", "measured"),
    "Fig. 3": Exhibit("03_captioning", "pipeline:flow", "fig_03_pipeline", "drawn"),
    "Tab. 2": Exhibit("04_dataset_statistics", "dataset:table", "tab_02_datasets", "measured"),
    "Fig. 5": Exhibit("04_dataset_statistics", "dataset:samples", "fig_05_samples", "measured"),
    "Fig. 6": Exhibit("04_dataset_statistics", "dataset:distributions", "fig_06_statistics", "measured"),
    "Fig. A5": Exhibit("04_dataset_statistics", "sheet:annotated", "fig_a5_annotations", "measured"),
    "Fig. A6": Exhibit("04_dataset_statistics", "sheet:annotated", "fig_a6_annotations", "measured"),
    "Pool spectrum": Exhibit("04_dataset_statistics", "dataset:spectrum", "ours_04_spectrum", "measured"),
    "Noise schedules": Exhibit("05_scheme1_full_attention", "scheme1:sigmas", "ours_05_noise", "measured"),
    "Direct extrapolation": Exhibit("05_scheme1_full_attention", "scheme1:grid", "ours_05_extrapolation", "measured"),
    "Scheme I memory": Exhibit("05_scheme1_full_attention", "scheme1:memory", "ours_05_memory", "measured"),
    "Learning curves": Exhibit("05_scheme1_full_attention", "scheme1:curves", "ours_05_curves", "measured"),
    "Before and after": Exhibit("05_scheme1_full_attention", "scheme1:grid", "ours_05_grid", "measured"),
    "Scheme I scores": Exhibit("05_scheme1_full_attention", "scheme1:scores", "ours_05_scores", "measured"),
    "Scheme I latency": Exhibit("05_scheme1_full_attention", "scheme1:latency", "ours_05_latency", "measured"),
    "Scheme I cost": Exhibit("05_scheme1_full_attention", "scheme1:cost", "ours_05_cost", "measured"),
    "Beyond 4K": Exhibit("05_scheme1_full_attention", "scheme1:grid", "ours_05_beyond", "measured"),
    "Scheme I scalability": Exhibit("05_scheme1_full_attention", "scheme1:scores", "ours_05_scalability", "measured"),
    "What a query sees": Exhibit("06_scheme2_window_attention", "scheme2:seen", "ours_06_seen", "drawn"),
    "Exactness": Exhibit("06_scheme2_window_attention", "scheme2:exactness", "ours_06_exactness", "measured"),
    "Growth with windows": Exhibit("06_scheme2_window_attention", "scheme2:growth", "ours_06_growth", "measured"),
    "Windows at full size": Exhibit("06_scheme2_window_attention", "scheme2:full_size", "ours_06_full_size", "drawn"),
    "Untrained retrofit": Exhibit("06_scheme2_window_attention", "scheme2:untrained", "ours_06_untrained", "measured"),
    "Learning with windows": Exhibit("06_scheme2_window_attention", "scheme2:learning", "ours_06_learning", "measured"),
    "With and without windows": Exhibit("06_scheme2_window_attention", "scheme1:grid", "ours_06_grid", "measured"),
    "Scheme II scores": Exhibit("06_scheme2_window_attention", "scheme1:scores", "ours_06_scores", "measured"),
    "Scheme II cost": Exhibit("06_scheme2_window_attention", "scheme1:cost", "ours_06_cost", "measured"),
    "Token patches": Exhibit("07_scheme3_pixel_patch", "scheme3:patches", "ours_07_patches", "drawn"),
    "Scheme III pictures": Exhibit("07_scheme3_pixel_patch", "scheme1:grid", "ours_07_pictures", "measured"),
    "Scheme III scores": Exhibit("07_scheme3_pixel_patch", "scheme1:scores", "ours_07_scores", "measured"),
    "A failing try": Exhibit("07_scheme3_pixel_patch", "scheme3:failing", "ours_07_failing", "measured"),
    "Progressive training": Exhibit("07_scheme3_pixel_patch", "scheme3:progressive", "ours_07_progressive", "measured"),
    "Scheme III cost": Exhibit("07_scheme3_pixel_patch", "scheme1:cost", "ours_07_cost", "measured"),
    "Patch size": Exhibit("07_scheme3_pixel_patch", "scheme3:trade_off", "ours_07_patch_size", "measured"),
    "Trunk and head": Exhibit("07_scheme3_pixel_patch", "scheme3:split", "ours_07_split", "measured"),
    "Growth of the schemes": Exhibit("07_scheme3_pixel_patch", "scheme3:growth", "ours_07_growth", "drawn"),
    "Tab. A2 predicted": Exhibit("07_scheme3_pixel_patch", "scheme3:prediction", "ours_07_prediction", "drawn"),
    "Metrics": Exhibit("08_pixverve_bench", "bench:metric_table", "ours_08_metrics", "transcribed"),
    "Sensitivity": Exhibit("08_pixverve_bench", "bench_figures:sensitivity", "ours_08_sensitivity", "measured"),
    "Judge calibration": Exhibit("08_pixverve_bench", "bench:calibration_table", "ours_08_judge", "measured"),
    "Fig. 2": Exhibit("08_pixverve_bench", "bench_pictures:comparison", "fig_02_comparison", "measured"),
    "Fig. 7": Exhibit("08_pixverve_bench", "bench_pictures:comparison", "fig_07_comparison", "measured"),
    "Tab. 3": Exhibit("08_pixverve_bench", "bench:table_3", "tab_03_bench", "measured"),
    "Metric cards": Exhibit("08_pixverve_bench", "bench:cards", "ours_08_cards", "measured"),
    "Rank flow": Exhibit("08_pixverve_bench", "bench_figures:rank_flow", "ours_08_ranks", "measured"),
    "Correlations": Exhibit("08_pixverve_bench", "bench_figures:correlations", "ours_08_correlations", "measured"),
    "Fig. A2": Exhibit("08_pixverve_bench", "bench_pictures:glcm_cases", "fig_a2_glcm", "measured"),
    "Tab. A3": Exhibit("08_pixverve_bench", "bench:table_a3", "tab_a3_sub_dimensions", "transcribed"),
    "Tab. A4": Exhibit("08_pixverve_bench", "bench:table_a4", "tab_a4_fidelity", "measured"),
    "Sub-dimensions": Exhibit("08_pixverve_bench", "bench_figures:sub_dimensions", "ours_08_parts", "measured"),
    "Fig. A3": Exhibit("08_pixverve_bench", "bench_pictures:lowest_cases", "fig_a3_lowest", "measured"),
    "Tab. 4": Exhibit("08_pixverve_bench", "bench:table_4", "tab_04_captions", "measured"),
    "Fig. A4": Exhibit("08_pixverve_bench", "bench_pictures:captions_grid", "fig_a4_captions", "measured"),
    "Tab. A1": Exhibit("08_pixverve_bench", "bench:table_a1", "tab_a1_training", "measured"),
    "Tab. A2": Exhibit("08_pixverve_bench", "bench:table_a2", "tab_a2_latency", "measured"),
    "Cost and quality": Exhibit("08_pixverve_bench", "bench_figures:cost_quality", "ours_08_cost", "measured"),
    "Fig. 1": Exhibit("08_pixverve_bench", "bench_pictures:overview", "fig_01_overview", "measured"),
    "Study power": Exhibit("08_pixverve_bench", "preference:power", "ours_08_power", "drawn"),
    "Claims counted": Exhibit("08_pixverve_bench", "claims:claims_counts", "ours_08_verdicts", "measured"),
    "Claims": Exhibit("08_pixverve_bench", "claims:claims_table", "ours_08_claims", "measured"),
    "Tab. A5": Exhibit("09_compression_bench", "compression:table_a5", "tab_a5_codecs", "measured"),
    "Codec fronts": Exhibit("09_compression_bench", "compression:fronts", "ours_09_fronts", "measured"),
    "Codec content": Exhibit("09_compression_bench", "compression:content", "ours_09_content", "measured"),
    "Codec scaling": Exhibit("09_compression_bench", "compression:scaling", "ours_09_scaling", "measured"),
    "Random access": Exhibit("09_compression_bench", "compression:random_access", "ours_09_crops", "measured"),
    "Two threads": Exhibit("09_compression_bench", "compression:two_threads", "ours_09_threads", "measured"),
    "Diffusion-4K Tab. 1": Exhibit("A1_diffusion4k", "related:size_table", "d4k_tab_01", "measured"),
    "Diffusion-4K Fig. 1": Exhibit("A1_diffusion4k", "related:pool_sizes", "d4k_fig_01", "measured"),
    "Evaluation sets": Exhibit("A1_diffusion4k", "texture_metrics:evaluation_sets", "d4k_evaluation_sets", "measured"),
    "Diffusion-4K Fig. 3": Exhibit("A1_diffusion4k", "reconstruction:fig_3", "d4k_fig_03", "drawn"),
    "Diffusion-4K Tab. 4": Exhibit("A1_diffusion4k", "reconstruction:table", "d4k_tab_04", "measured"),
    "Diffusion-4K Tab. 8": Exhibit("A1_diffusion4k", "reconstruction:table", "d4k_tab_08", "measured"),
    "Does scale consistency help": Exhibit("A1_diffusion4k", "reconstruction:gain", "d4k_consistency", "measured"),
    "Diffusion-4K Fig. 5": Exhibit("A1_diffusion4k", "reconstruction:close_ups", "d4k_fig_05", "measured"),
    "Diffusion-4K Fig. 6": Exhibit("A1_diffusion4k", "reconstruction:close_ups", "d4k_fig_06", "measured"),
    "Two readings of NMSE": Exhibit("A1_diffusion4k", "texture_metrics:nmse_readings", "d4k_nmse", "transcribed"),
    "Parseval": Exhibit("A1_diffusion4k", "wavelets:parseval", "d4k_parseval", "measured"),
    "Diffusion-4K Tab. 9": Exhibit("A1_diffusion4k", "wavelets:diffusion4k_tab_9", "d4k_tab_09", "measured"),
    "Wavelet losses": Exhibit("A1_diffusion4k", "wavelets:learning", "d4k_learning", "measured"),
    "Diffusion-4K Fig. 12": Exhibit("A1_diffusion4k", "scheme1:grid", "d4k_fig_12", "measured"),
    "Diffusion-4K Fig. 4": Exhibit("A1_diffusion4k", "texture_metrics:figure_4", "d4k_fig_04", "measured"),
    "Diffusion-4K Tab. 2": Exhibit("A1_diffusion4k", "texture_metrics:table_2", "d4k_tab_02", "measured"),
    "What fools the indices": Exhibit("A1_diffusion4k", "texture_metrics:fooled", "d4k_fooled", "measured"),
    "Chroma": Exhibit("A1_diffusion4k", "texture_metrics:chroma", "d4k_chroma", "measured"),
    "Diffusion-4K Tab. 10": Exhibit("A1_diffusion4k", "texture_metrics:table_10", "d4k_tab_10", "measured"),
    "Diffusion-4K Tab. 3": Exhibit("A1_diffusion4k", "related:as_printed", "d4k_tab_03", "transcribed"),
    "Diffusion-4K Fig. 10": Exhibit("A1_diffusion4k", "texture_metrics:preferences", "d4k_fig_10", "measured"),
    "Diffusion-4K Tab. 5": Exhibit("A1_diffusion4k", "related:as_printed", "d4k_tab_05", "transcribed"),
    "Diffusion-4K Tab. 6": Exhibit("A1_diffusion4k", "related:with_tokens", "d4k_tab_06", "transcribed"),
    "Diffusion-4K Tab. 7": Exhibit("A1_diffusion4k", "related:as_printed", "d4k_tab_07", "transcribed"),
    "Diffusion-4K settings": Exhibit("A1_diffusion4k", "related:settings", "d4k_settings", "transcribed"),
    "Diffusion-4K exhibits": Exhibit("A1_diffusion4k", "related:accounting", "d4k_exhibits", "transcribed"),
    "Diffusion-4K claims": Exhibit("A1_diffusion4k", "claims:claims_table", "d4k_claims", "measured"),
    "UltraFlux buckets": Exhibit("A2_ultraflux", "aspect_buckets:plane", "uf_buckets", "transcribed"),
    "UltraFlux Tab. 3": Exhibit("A2_ultraflux", "related:as_printed", "uf_tab_03", "transcribed"),
    "Buckets at 1:16": Exhibit("A2_ultraflux", "aspect_buckets:scale_model", "uf_buckets_small", "drawn"),
    "Buckets of the pool": Exhibit("A2_ultraflux", "aspect_buckets:pool", "uf_buckets_pool", "measured"),
    "UltraFlux Fig. 1": Exhibit("A2_ultraflux", "positions:cycles", "uf_fig_01", "drawn"),
    "UltraFlux Fig. 1 in numbers": Exhibit("A2_ultraflux", "positions:facts", "uf_fig_01_facts", "drawn"),
    "UltraFlux Fig. 2": Exhibit("A2_ultraflux", "positions:waves", "uf_fig_02", "drawn"),
    "FLUX.2 waves": Exhibit("A2_ultraflux", "positions:waves", "uf_fig_02_flux2", "drawn"),
    "Regularity": Exhibit("A2_ultraflux", "positions:regularity", "uf_regularity", "drawn"),
    "UltraFlux Fig. 4": Exhibit("A2_ultraflux", "scheme1:grid", "uf_fig_04", "measured"),
    "Positions compared": Exhibit("A2_ultraflux", "positions:effect", "uf_fig_04_effect", "measured"),
    "Position scores": Exhibit("A2_ultraflux", "positions:compared", "uf_fig_04_scores", "measured"),
    "UltraFlux Fig. 3": Exhibit("A2_ultraflux", "wavelets:histograms", "uf_fig_03", "measured"),
    "Latent energies": Exhibit("A2_ultraflux", "wavelets:energies", "uf_energies", "measured"),
    "UltraFlux Tab. 1": Exhibit("A2_ultraflux", "wavelets:ultraflux_tab_1", "uf_tab_01", "measured"),
    "Data and model": Exhibit("A2_ultraflux", "wavelets:interactions", "uf_interactions", "measured"),
    "UltraFlux learning": Exhibit("A2_ultraflux", "wavelets:learning", "uf_learning", "measured"),
    "UltraFlux Tab. 2": Exhibit("A2_ultraflux", "reconstruction:table", "uf_tab_02", "measured"),
    "UltraFlux Tab. 4": Exhibit("A2_ultraflux", "related:as_printed", "uf_tab_04", "transcribed"),
    "UltraFlux Tab. 5": Exhibit("A2_ultraflux", "related:as_printed", "uf_tab_05", "transcribed"),
    "UltraFlux settings": Exhibit("A2_ultraflux", "related:settings", "uf_settings", "transcribed"),
    "UltraFlux exhibits": Exhibit("A2_ultraflux", "related:accounting", "uf_exhibits", "transcribed"),
    "UltraFlux claims": Exhibit("A2_ultraflux", "claims:claims_table", "uf_claims", "measured"),
    "URAE counterexamples": Exhibit("A3_urae", "theorem:counterexamples", "urae_counterexamples", "drawn"),
    "URAE Fig. 2": Exhibit("A3_urae", "theorem:teacher_bounds", "urae_fig_02", "measured"),
    "URAE independence": Exhibit("A3_urae", "theorem:independence", "urae_independence", "measured"),
    "URAE best share": Exhibit("A3_urae", "theorem:best_shares", "urae_best_share", "drawn"),
    "URAE components": Exhibit("A3_urae", "guided:spectra", "urae_components", "measured"),
    "URAE start": Exhibit("A3_urae", "guided:start", "urae_start", "measured"),
    "URAE Fig. 3": Exhibit("A3_urae", "adaptation:mismatch", "urae_fig_03", "measured"),
    "URAE Tab. 2": Exhibit("A3_urae", "adaptation:ablation", "urae_tab_02", "measured"),
    "URAE guidelines": Exhibit("A3_urae", "adaptation:guidelines", "urae_guidelines", "measured"),
    "URAE Fig. 7": Exhibit("A3_urae", "adaptation:cells", "urae_fig_07", "measured"),
    "URAE Tab. 1": Exhibit("A3_urae", "guided:tab_1", "urae_tab_01", "measured"),
    "URAE gains": Exhibit("A3_urae", "guided:helped", "urae_gains", "measured"),
    "URAE Fig. 5": Exhibit("A3_urae", "scheme1:grid", "urae_fig_05", "measured"),
    "URAE Tab. 3": Exhibit("A3_urae", "guided:tab_3", "urae_tab_03", "measured"),
    "URAE Tab. 4": Exhibit("A3_urae", "related:as_printed", "urae_tab_04", "transcribed"),
    "Metrics of related papers": Exhibit("A3_urae", "related:metrics", "urae_metrics", "transcribed"),
    "URAE settings": Exhibit("A3_urae", "related:settings", "urae_settings", "transcribed"),
    "URAE exhibits": Exhibit("A3_urae", "related:accounting", "urae_exhibits", "transcribed"),
    "URAE claims": Exhibit("A3_urae", "claims:claims_table", "urae_claims", "measured"),
}


def emit(run, name, **frames):
    """Make one exhibit from frames, write it and its provenance, and return what the notebook shows.

    A figure becomes STEM.png, a table STEM.csv and STEM.md; STEM.json beside them says where it comes from.
    Raises KeyError for an unknown exhibit, ValueError when another notebook owns it.
    """
    exhibit = EXHIBITS[name]
    if exhibit.notebook != run.notebook:
        raise ValueError(f"{name} is emitted by {exhibit.notebook}, not by {run.notebook} (exhibits/registry.py)")
    made = resolve_name(f"pixverve_lib.exhibits.{exhibit.function}")(**frames)
    if isinstance(made, pd.DataFrame):
        files = _write_table(run, exhibit, name, made)
    else:
        files = [f"{exhibit.stem}.png"]
        write_bytes_atomically(run.figures / files[0], png(made, style.footer(run)))
    about = provenance.describe(run) | {"exhibit": name, "kind": exhibit.kind, "files": files}
    write_bytes_atomically(run.figures / f"{exhibit.stem}.json", json.dumps(about, indent=1).encode())
    return _looked_at(made) if isinstance(made, pd.DataFrame) else Image(run.figures / files[0], width=_width(made))


def _shown(table):
    """The table with a dash for what is missing."""
    return table.astype(object).where(table.notna(), "–")


def _looked_at(table):
    """The table as a notebook shows it: cells of several parts take a line for each."""
    shown = _shown(table)
    parts = shown.map(lambda cell: PARTS in str(cell)).any(axis=None)
    return HTML(shown.to_html(index=False).replace(PARTS, "<br>")) if parts else shown


def _write_table(run, exhibit, name, table):
    write_bytes_atomically(run.figures / f"{exhibit.stem}.csv", table.to_csv(index=False).encode())
    body = _shown(table).to_markdown(index=False)
    text = f"**{name}** ({style.footer(run) or 'budget paper'})\n\n{body}\n"
    write_bytes_atomically(run.figures / f"{exhibit.stem}.md", text.encode())
    return [f"{exhibit.stem}.csv", f"{exhibit.stem}.md"]


def show(figure):
    """A look that is no exhibit: the figure as the notebook shows it, written nowhere."""
    return Image(png(figure, most_bytes=3_000_000), width=_width(figure))


def _width(figure):
    """CSS pixels in a notebook: a figure as wide as the text fills its column."""
    return round(figure.get_figwidth() / style.WIDTH * 900)
