import esa.mo.mal.encoder.binary.base.BinaryTimeHandler;
import esa.mo.mal.encoder.binary.fixed.FixedBinaryDecoder;
import esa.mo.mal.encoder.binary.fixed.FixedBinaryEncoder;
import esa.mo.mal.encoder.binary.split.SplitBinaryDecoder;
import esa.mo.mal.encoder.binary.split.SplitBinaryEncoder;
import esa.mo.mal.encoder.binary.variable.VariableBinaryDecoder;
import esa.mo.mal.encoder.binary.variable.VariableBinaryEncoder;
import java.io.ByteArrayOutputStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.ccsds.moims.mo.mal.MALDecoder;
import org.ccsds.moims.mo.mal.MALEncoder;
import org.ccsds.moims.mo.mpd.structures.ProductMetadataList;

/**
 * Decodes a ProductMetadataList with ESA's stack and encodes it again, over and over: ENCODING FILE SECONDS. Prints nanoseconds of
 * processor time of this thread for each entry, to encode and to decode.
 */
public class Codec {
    private static final BinaryTimeHandler TIME = new BinaryTimeHandler();

    private static ProductMetadataList decode(String encoding, byte[] bytes) throws Exception {
        MALDecoder decoder = switch (encoding) {
            case "binary-fixed" -> new FixedBinaryDecoder(bytes, TIME, false);
            case "binary-variable" -> new VariableBinaryDecoder(bytes, TIME);
            default -> new SplitBinaryDecoder(bytes, TIME);
        };
        return (ProductMetadataList) new ProductMetadataList().decode(decoder);
    }

    private static byte[] encode(String encoding, ProductMetadataList list) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        MALEncoder encoder = switch (encoding) {
            case "binary-fixed" -> new FixedBinaryEncoder(out, TIME, false);
            case "binary-variable" -> new VariableBinaryEncoder(out, TIME);
            default -> new SplitBinaryEncoder(out, TIME);
        };
        list.encode(encoder);
        encoder.close();
        return out.toByteArray();
    }

    private interface Work {
        void run() throws Exception;
    }

    private static long nanos(double seconds, int entries, Work work) throws Exception {
        long cpu = 0;
        long rounds = 0;
        for (double part : new double[] {seconds / 2, seconds}) {
            long end = System.nanoTime() + (long) (part * 1e9);
            long before = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
            for (rounds = 0; System.nanoTime() < end; rounds++) {
                work.run();
            }
            cpu = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - before;
        }
        return cpu / rounds / entries;
    }

    public static void main(String[] args) throws Exception {
        String encoding = args[0];
        byte[] bytes = Files.readAllBytes(Path.of(args[1]));
        double seconds = Double.parseDouble(args[2]);
        ProductMetadataList list = decode(encoding, bytes);
        if (!Arrays.equals(encode(encoding, list), bytes)) {
            throw new IllegalStateException("encoded otherwise");
        }
        long encoding1 = nanos(seconds, list.size(), () -> encode(encoding, list));
        long decoding = nanos(seconds, list.size(), () -> decode(encoding, bytes));
        System.out.println(encoding1 + " " + decoding);
    }
}
