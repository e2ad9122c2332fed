import { startEddsSimulator } from '../../simulators/edds/index.js';

/** The simulator in a process of its own: `simulator.ts [packetBytes]`. Prints its WSDL address as one line. */
const packetBytes = process.argv[2] === undefined ? undefined : Number(process.argv[2]);
const begin = Date.UTC(2020, 11, 1);
const simulator = await startEddsSimulator({
  domains: ['SOL'],
  times: { start: 5, duration: 5, tick: 5 },
  // A day of telemetry: 2 000 000 packets.
  archive: {
    begin,
    end: begin + 86_400_000,
    packetInterval: 43_200,
    files: 0,
    ...(packetBytes !== undefined && { packetBytes }),
  },
});
process.stdout.write(`${simulator.wsdlUrl}\n`);
process.once('SIGTERM', () => void simulator.stop().then(() => process.exit(0)));
