import { parentPort, workerData } from 'node:worker_threads';
import { advance, instanceOf } from './wasm-instance.js';
import type { WasmJob } from './wasm-thread.js';

/** The memory in which the main thread puts the data of the job in hand. */
const shared = new Uint8Array(workerData as SharedArrayBuffer);

async function run({ algorithm, image, length }: WasmJob): Promise<void> {
  const instance = await instanceOf(algorithm);
  parentPort?.postMessage(advance(instance, image, shared.subarray(0, length)));
}

// A rejection ends the worker, and the main thread sees it as the worker's error.
parentPort?.on('message', (job: WasmJob) => void run(job));
