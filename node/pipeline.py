"""The main job in one process: files of one series in, result objects on disk out.

    write(results(analyse(assemble(files))))

Used by ``pulmonode analyze`` and by the worker of ``pulmonode serve``. A series that cannot be
analysed ends in a "not processed" notice, never in silence.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from node.analysis.analyser import Analyser
from node.analysis.patient import SuppliedFacts, joined_facts, patient_facts, supplied_facts
from node.assembly.assembled import AssembledSeries
from node.assembly.files import assemble_files
from node.assembly.headers import readable_headers
from node.assembly.limits import DEFAULT_LIMITS, AssemblyLimits
from node.errors import AnalysisError, AssemblyError, ConfigError
from node.job import Job
from node.results.bundle import Bundle, analysed_bundle, notice_bundle, write_bundle, write_page
from node.results.comparison import known_nodules
from node.results.context import ResultContext
from node.results.forms import NOTICE_REPORT_KINDS, REPORT_KINDS
from node.results.notice import orphan_header
from node.results.prior_documents import supplied_prior
from node.results.tracking import with_tracking

logger = logging.getLogger(__name__)


def process(job: Job, analyser: Analyser, clock: Callable[[], float] = time.perf_counter) -> Bundle:
    """Analyse one series and write its results, or its notice and the reason; without a notice only the reason.

    Raises
    ------
    ResultError
        Not even a notice can be made, none can be filed in the study that it belongs to, or a result is not valid;
        nothing was written.
    OSError
        The output folder cannot be written.
    """
    supplied = supplied_facts(job.patient_facts)
    context = _context(job, analyser, supplied)
    if job.refusal:
        bundle = _notice(job, job.refusal, context)
    else:
        bundle = _analysed_or_refused(job, analyser, (context, supplied), clock)
    if bundle.code is not None and not job.notice and not job.refusal:
        return bundle
    for sentence in bundle.left_out:
        logger.error("%s", sentence)
    write_bundle(bundle, job.output)
    if job.page:
        _write_page(bundle, job)
    return bundle


def _write_page(bundle: Bundle, job: Job) -> None:
    """Write the page; without it the results, which are on disk and valid, are still results."""
    try:
        known = known_nodules(job.known_nodules) if job.known_nodules and bundle.findings else ()
        write_page(bundle, job.output, known)
    except (ConfigError, OSError) as error:
        logger.warning("no report.html: %s", error)


def _analysed_or_refused(
    job: Job, analyser: Analyser, given: tuple[ResultContext, SuppliedFacts], clock: Callable[[], float]
) -> Bundle:
    context, supplied = given
    try:
        began = clock()
        series = assemble_files(job.files, _limits(job))
        assembly_s = clock() - began
        findings = analyser.analyse(series.volume, joined_facts(patient_facts(series.headers[0]), supplied.facts))
    except AssemblyError as error:
        return _refused(job, (error.code, str(error)), context)
    except AnalysisError as error:
        return _refused(job, (error.reason_code, str(error)), context)
    series, context = replace(series, notes=(*job.notes, *series.notes)), _of_volume(context, series)
    prior = supplied_prior(job.prior_report, series)
    frame_of_reference_uid = str(series.headers[0].get("FrameOfReferenceUID") or "")
    context = with_tracking(context, findings.nodules, prior.nodules or job.tracked, frame_of_reference_uid)
    timed = replace(
        findings,
        timings_s={"assembly": assembly_s, **findings.timings_s},
        warnings=(*job.warnings, *series.warnings, *findings.warnings, *supplied.warnings, *prior.warnings),
    )
    return analysed_bundle(series, timed, context, kinds=job.kinds, neighbours=job.neighbours, clock=clock)


def _of_volume(context: ResultContext, series: AssembledSeries) -> ResultContext:
    """Count the size of the volume among the inputs: thinned out for want of memory, a series gives other results."""
    identity = f"{context.input_digest}|{series.volume.shape}"
    return replace(context, input_digest=hashlib.sha256(identity.encode()).hexdigest())


def _refused(job: Job, why: tuple[str, str], context: ResultContext) -> Bundle:
    """Make the notice, or only say why: then another series of the study is tried, and nothing is written."""
    if job.notice:
        return _notice(job, why, context)
    code, reason = why
    return Bundle(objects=(), report={"reason_code": code, "reason": reason}, code=code, reason=reason)


def _notice(job: Job, why: tuple[str, str], context: ResultContext) -> Bundle:
    """Make the notice, in the study of the files; in one of its own only where that is allowed and no file is DICOM."""
    code, reason = why
    headers = readable_headers(job.files)
    if not headers and job.may_stand_alone:
        headers = (orphan_header(context),)
    if job.tried:
        reason = f"{reason}; {job.tried} other series of the study {'was' if job.tried == 1 else 'were'} tried in vain"
    bundle = notice_bundle(headers, code, reason, context, job.kinds)
    beside = {"notes": [*job.notes, *bundle.report["notes"]], "warnings": [*job.warnings, *bundle.report["warnings"]]}
    return replace(bundle, report=bundle.report | beside)


def _limits(job: Job) -> AssemblyLimits:
    if job.volume_limit_bytes is None:
        return DEFAULT_LIMITS
    return replace(DEFAULT_LIMITS, max_bytes=job.volume_limit_bytes)


def _context(job: Job, analyser: Analyser, supplied: SuppliedFacts) -> ResultContext:
    """Derive the identity of the run: other inputs, facts, models or settings give other UIDs."""
    given = [_options(job), supplied.content, *job.notes, *job.warnings]
    identity = "|".join([job.source_digest, *analyser.fingerprint, *filter(None, given)])
    return ResultContext(
        created_at=job.created_at,
        input_digest=hashlib.sha256(identity.encode()).hexdigest(),
        software_version=job.software_version,
        station_name=job.station_name,
        predecessor=job.predecessor,
        language=job.language,
        ohif_tracking=job.ohif_tracking,
    )


def _options(job: Job) -> str:
    """Say which settings decide what stands in an object; the form of a report is no matter of its content.

    What is made beside the report belongs to them: the report points into the segmentation and says what is missing.
    """
    reports = {*REPORT_KINDS, *NOTICE_REPORT_KINDS}
    beside = ",".join(kind for kind in job.kinds if kind not in reports)
    return f"{beside};{job.neighbours};{job.language};{job.ohif_tracking}"
