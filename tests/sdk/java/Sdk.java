package tandem;

import io.dapr.client.DaprClient;
import io.dapr.client.DaprClientBuilder;
import io.dapr.client.domain.DaprMetadata;
import io.dapr.client.domain.HttpExtension;
import io.dapr.client.domain.State;
import io.dapr.client.domain.StateOptions;
import io.dapr.client.domain.TransactionalStateOperation;
import io.dapr.client.domain.TransactionalStateOperation.OperationType;
import io.dapr.exceptions.DaprException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Runs Dapr's Java SDK against the sidecar that DAPR_HTTP_PORT and DAPR_GRPC_PORT name: state, metadata and health over
 * gRPC, invocation over HTTP, as the SDK has them. Prints a line a check and ends with status 1 at the first one that
 * fails. The app "two" echoes.
 */
public final class Sdk {
  private static final String STORE = "statestore";
  private static final StateOptions FIRST_WRITE =
      new StateOptions(StateOptions.Consistency.STRONG, StateOptions.Concurrency.FIRST_WRITE);

  private final DaprClient client;

  private Sdk(DaprClient client) {
    this.client = client;
  }

  /** A value that the SDK writes as JSON. */
  public static final class Order {
    public int number;
    public String name;
  }

  public static void main(String[] arguments) throws Exception {
    try (DaprClient client = new DaprClientBuilder().build()) {
      client.waitForSidecar(30_000).block();
      check("the sidecar is healthy", true);
      Sdk sdk = new Sdk(client);
      sdk.values();
      sdk.etags();
      sdk.bulk();
      sdk.transactions();
      sdk.errors();
      sdk.invocation();
      sdk.metadata();
    }
    // The SDK's HTTP client keeps a thread that would hold the process.
    System.exit(0);
  }

  private void values() {
    client.saveState(STORE, "text", "hello").block();
    State<String> text = client.getState(STORE, "text", String.class).block();
    check("a text", "hello".equals(text.getValue()) && text.getEtag() != null);

    Order order = new Order();
    order.number = 17;
    order.name = "ünïcode";
    client.saveState(STORE, "order", order).block();
    Order read = client.getState(STORE, "order", Order.class).block().getValue();
    check("an object", read.number == 17 && read.name.equals("ünïcode"));

    client.saveState(STORE, "ttl", null, "x", Map.of("ttlInSeconds", "1000"), null).block();
    check("a TTL", client.getState(STORE, "ttl", String.class).block().getMetadata().containsKey("ttlExpireTime"));

    // The SDK says that they are JSON, and so they have to be.
    check("bytes that are no JSON are refused",
        failure(() -> client.saveState(STORE, "bytes", new byte[] {0, 1, (byte) 255}).block()) != null);

    client.deleteState(STORE, "text").block();
    check("deleted", client.getState(STORE, "text", String.class).block().getValue() == null);
  }

  private void etags() {
    client.saveState(STORE, "etag", "1").block();
    String first = client.getState(STORE, "etag", String.class).block().getEtag();
    client.saveState(STORE, "etag", first, "2", FIRST_WRITE).block();
    check("an old ETag is refused",
        "ABORTED".equals(failure(() -> client.saveState(STORE, "etag", first, "3", FIRST_WRITE).block())));
    check("an old ETag deletes nothing",
        "ABORTED".equals(failure(() -> client.deleteState(STORE, "etag", first, FIRST_WRITE).block())));
    State<String> now = client.getState(STORE, "etag", String.class).block();
    check("the second value is there", "2".equals(now.getValue()));
    client.deleteState(STORE, "etag", now.getEtag(), FIRST_WRITE).block();
    check("the right ETag deletes", client.getState(STORE, "etag", String.class).block().getValue() == null);
  }

  private void bulk() {
    List<State<?>> states = new ArrayList<>();
    List<String> keys = new ArrayList<>();
    for (int n = 0; n < 20; n++) {
      keys.add("bulk" + n);
      states.add(new State<>("bulk" + n, n, null, null));
    }
    client.saveBulkState(STORE, states).block();
    keys.add("missing");
    List<State<Integer>> found = client.getBulkState(STORE, keys, Integer.class).block();
    check("as many as asked for", found.size() == 21);
    for (State<Integer> one : found) {
      boolean missing = one.getKey().equals("missing");
      check("value of " + one.getKey(), missing
          ? one.getValue() == null
          : one.getValue() == Integer.parseInt(one.getKey().substring(4)) && one.getEtag() != null);
    }
  }

  private void transactions() {
    client.saveState(STORE, "old", "x").block();
    client.executeStateTransaction(STORE, List.of(
        new TransactionalStateOperation<>(OperationType.UPSERT, new State<>("new", "y", null, null)),
        new TransactionalStateOperation<>(OperationType.DELETE, new State<>("old", null, null, null)))).block();
    check("upserted", "y".equals(client.getState(STORE, "new", String.class).block().getValue()));
    check("deleted", client.getState(STORE, "old", String.class).block().getValue() == null);
    String wrong = "11111111-2222-4333-8444-555555555555";
    check("a wrong ETag fails it", failure(() -> client.executeStateTransaction(STORE, List.of(
        new TransactionalStateOperation<>(OperationType.UPSERT, new State<>("new", "z", null, null)),
        new TransactionalStateOperation<>(OperationType.UPSERT, new State<>("old", "z", wrong, null)))).block()) != null);
    check("and nothing of it is done", "y".equals(client.getState(STORE, "new", String.class).block().getValue()));
  }

  private void errors() {
    try {
      client.getState("nowhere", "k", String.class).block();
      check("unknown store", false);
    } catch (DaprException error) {
      check("unknown store", error.getErrorCode().equals("INVALID_ARGUMENT"));
      check("its details are read",
          "DAPR_STATE_NOT_FOUND".equals(error.getErrorDetails().get(
              io.dapr.exceptions.DaprErrorDetails.ErrorDetailType.ERROR_INFO, "reason",
              io.dapr.utils.TypeRef.STRING)));
    }
  }

  private void invocation() {
    byte[] body = "a body".getBytes(StandardCharsets.UTF_8);
    byte[] echoed = client.invokeMethod("two", "echo", body, HttpExtension.POST, Map.of("content-type", "text/plain"))
        .block();
    check("the body comes back", Arrays.equals(body, echoed));
    Order order = new Order();
    order.number = 5;
    order.name = "five";
    Order back = client.invokeMethod("two", "echo", order, HttpExtension.POST, Order.class).block();
    check("an object comes back", back.number == 5 && back.name.equals("five"));
    HttpExtension query = new HttpExtension(io.dapr.client.DaprHttp.HttpMethods.GET,
        Map.of("q", List.of("1")), Map.of());
    byte[] path = client.invokeMethod("two", "path/x", (byte[]) null, query, Map.of()).block();
    check("the query arrives", new String(path, StandardCharsets.UTF_8).equals("/path/x?q=1"));
    check("404", failure(() -> client.invokeMethod("two", "status/404", (byte[]) null, HttpExtension.GET, Map.of())
        .block()) != null);
    check("unknown app", "ERR_DIRECT_INVOKE".equals(failure(
        () -> client.invokeMethod("nobody", "x", (byte[]) null, HttpExtension.GET, Map.of()).block())));
  }

  private void metadata() {
    DaprMetadata metadata = client.getMetadata().block();
    check("id", metadata.getId().equals("one"));
    Map<String, String> types = metadata.getComponents().stream()
        .collect(Collectors.toMap(one -> one.getName(), one -> one.getType()));
    check("components",
        types.equals(Map.of(STORE, "state.in-memory", "pubsub", "pubsub.in-memory")));
  }

  /** The error code of the call, or null when it does not fail. */
  private static String failure(Runnable call) {
    try {
      call.run();
      return null;
    } catch (DaprException error) {
      return error.getErrorCode();
    }
  }

  private static void check(String what, boolean holds) {
    System.out.println((holds ? "ok " : "FAILED ") + what);
    if (!holds) {
      System.exit(1);
    }
  }
}
