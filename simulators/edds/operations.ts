import { COMMAND_KINDS } from './archive/commands.js';
import type { Archive } from './archive/index.js';
import { CYCLE, PACKET_KINDS } from './archive/kinds.js';
import { PARAMETER_KINDS } from './archive/parameters.js';
import type { FaultControl } from './control.js';
import { EddsFault } from './fault.js';
import { hasEnded, type JobEngine } from './jobs.js';
import { newJob, type SubmissionRules } from './requests.js';
import type { SessionTable, SimulatedUser } from './sessions.js';
import type { OperationName, Shape } from './shape.js';
import type { Job, PartRecord, StateFile } from './state.js';
import type { Value, Values } from './values.js';

/** What an operation answers: children of its wrapper, or a part whose content is streamed. */
export type Answer =
  | { readonly kind: 'values'; readonly values: Values; readonly token?: string | null }
  | { readonly kind: 'part'; readonly values: Values; readonly part: PartRecord; readonly path: string };

export interface Call {
  readonly operation: OperationName;
  readonly values: Values;
  readonly token: string | null;
}

export interface OperationContext {
  readonly shape: Shape;
  readonly sessions: SessionTable;
  readonly file: StateFile;
  readonly engine: JobEngine;
  readonly control: FaultControl;
  readonly rules: SubmissionRules;
  readonly archives: Readonly<Record<string, Archive>>;
  readonly now: () => number;
  readonly maxActiveJobs: number;
}

/** Carries out one call; EddsFault as the contract says. */
export async function operate(context: OperationContext, call: Call): Promise<Answer> {
  const { sessions } = context;
  if (call.operation === 'login') {
    const token = sessions.login(String(call.values.user), String(call.values.password));
    return { kind: 'values', values: context.shape.tokenInAnswer ? { token } : {}, token };
  }
  const user = sessions.user(call.token);
  switch (call.operation) {
    case 'logout':
      sessions.logout(call.token!);
      return { kind: 'values', values: {}, token: null };
    case 'batchRequest':
    case 'streamRequest':
      return submit(context, call, user);
    case 'cancelRequest': {
      const job = ownJob(context, user, String(call.values.requestId));
      await context.engine.cancel(job);
      return { kind: 'values', values: { status: status(context, job) } };
    }
    case 'getStatus':
      return {
        kind: 'values',
        values: { status: status(context, ownJob(context, user, String(call.values.requestId))) },
      };
    case 'getJobs':
      return jobs(context, call.values, user);
    case 'getResponse':
      return response(context, call.values, user);
    case 'getCatalogue':
      return { kind: 'values', values: { entry: catalogue(context, call.values, user) } };
  }
}

async function submit(context: OperationContext, call: Call, user: SimulatedUser): Promise<Answer> {
  const { file, rules } = context;
  const { jobs } = file.state;
  const active = jobs.filter((job) => job.user === user.user && !hasEnded(job)).length;
  const kind = call.operation === 'batchRequest' ? 'BatchRequest' : 'StreamRequest';
  const taken = (id: string): boolean => jobs.some((job) => job.id === id);
  const job = newJob(kind, call.values.request as Values, user, context.now(), taken, rules);
  if (active >= context.maxActiveJobs) throw new EddsFault('LIMIT_EXCEEDED', `${active} jobs are active already`);
  jobs.push(job);
  await file.save();
  return { kind: 'values', values: { requestId: job.id } };
}

function ownJob(context: OperationContext, user: SimulatedUser, id: string): Job {
  const job = context.file.state.jobs.find((one) => one.id === id && one.user === user.user);
  if (job === undefined) throw new EddsFault('UNKNOWN_REQUEST', 'there is no such request', id.slice(0, 200));
  return job;
}

function status(context: OperationContext, job: Job): Values {
  return {
    RequestId: job.id,
    State: context.control.switches.state ?? context.shape.states[job.state],
    Error: job.error,
    Reason: job.reason,
    SubmissionTime: job.submittedAt,
    ExpiryTime: job.expiresAt,
  };
}

function jobs(context: OperationContext, values: Values, user: SimulatedUser): Answer {
  const states = values.state as readonly Value[];
  const from = (values.submittedFrom as number | undefined) ?? Number.NEGATIVE_INFINITY;
  const to = (values.submittedTo as number | undefined) ?? Number.POSITIVE_INFINITY;
  const found = context.file.state.jobs
    .filter((job) => job.user === user.user)
    .filter((job) => values.kind === undefined || job.kind === values.kind)
    .filter((job) => states.length === 0 || states.includes(job.state))
    .filter((job) => job.submittedAt >= from && job.submittedAt <= to)
    .sort((a, b) => a.submittedAt - b.submittedAt);
  return { kind: 'values', values: { status: found.map((job) => status(context, job)) } };
}

function response(context: OperationContext, values: Values, user: SimulatedUser): Answer {
  const job = ownJob(context, user, String(values.requestId));
  const ordinal = (values.part as number | undefined) ?? 1;
  if (job.state === 'EXPIRED') throw new EddsFault('EXPIRED', 'the request is past its expiry', job.id);
  const toServer = (job.request.Delivery as Values | undefined)?.FileServerDelivery !== undefined;
  const part = toServer ? undefined : job.parts[ordinal - 1];
  if (part === undefined) {
    if (toServer) throw new EddsFault('NO_SUCH_PART', 'the files go to a file server', job.id);
    if (hasEnded(job)) throw new EddsFault('NO_SUCH_PART', `there is no part ${ordinal}`, job.id);
    throw new EddsFault('NOT_READY', `part ${ordinal} is not there yet`, job.id);
  }
  const ended = hasEnded(job);
  return {
    kind: 'part',
    part,
    path: context.file.partPath(part.fileName),
    values: {
      RequestId: job.id,
      Part: ordinal,
      LastPart: ended && ordinal === job.parts.length,
      ...(ended && { TotalParts: job.parts.length }),
      FileName: part.fileName,
      CreationTime: part.madeAt,
      ContentType: part.contentType,
      Size: part.size,
    },
  };
}

function catalogue(context: OperationContext, values: Values, user: SimulatedUser): Values[] {
  const entries: Values[] = [];
  const wanted = (type: string): boolean => values.dataType === undefined || values.dataType === type;
  for (const domain of user.domains) {
    const archive = context.archives[domain];
    if (archive === undefined || (values.domain !== undefined && values.domain !== domain)) continue;
    const { description } = archive;
    const end = Math.trunc(Math.min(description.end ?? Number.POSITIVE_INFINITY, context.now()));
    const span = (end - description.begin) * 1000;
    const held = (interval: number, share: number) => ({
      Begin: description.begin,
      End: end,
      Count: Math.max(0, Math.floor((span / interval) * share)),
    });
    if (wanted('PktTmRaw')) {
      for (const [index, kind] of PACKET_KINDS.entries()) {
        entries.push({
          Domain: domain,
          DataType: 'PktTmRaw',
          Name: kind.name,
          Description: kind.description,
          Spid: kind.spid,
          Apid: kind.apid,
          ServiceType: kind.service,
          ServiceSubType: kind.subservice,
          ...held(description.packetInterval, CYCLE.filter((one) => one === index).length / CYCLE.length),
        });
      }
    }
    for (const type of ['PktTcReport', 'PktTcRaw'].filter(wanted)) {
      for (const kind of COMMAND_KINDS) {
        entries.push({
          Domain: domain,
          DataType: type,
          Name: kind.name,
          Description: kind.description,
          Apid: kind.apid,
          ServiceType: kind.service,
          ServiceSubType: kind.subservice,
          ...held(description.commandInterval, 1 / COMMAND_KINDS.length),
        });
      }
    }
    if (wanted('Param')) {
      for (const kind of PARAMETER_KINDS) {
        entries.push({
          Domain: domain,
          DataType: 'Param',
          Name: kind.name,
          Description: kind.description,
          ...held(description.sampleInterval, 1 / PARAMETER_KINDS.length),
        });
      }
    }
    if (wanted('File')) {
      for (const file of archive.files(context.control.switches.catalogueFiles ?? description.files)) {
        entries.push({
          Domain: domain,
          DataType: 'File',
          Name: file.name,
          FileName: file.name,
          FileSize: file.size,
          FileTime: file.time,
          Begin: file.begin ?? file.time,
          End: file.end ?? file.time,
          Count: 1,
        });
      }
    }
  }
  return entries;
}
