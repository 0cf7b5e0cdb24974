"""
The store itself: checks what it is given, finds the stores concerned and drives the plans.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Literal, cast

from langgraph.store.base import (
    NOT_PROVIDED,
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    MatchCondition,
    NamespacePath,
    NotProvided,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    validate_op_namespace,
)

from store_conformance.backends.hybridstore.driving import adrive, drive, either
from store_conformance.backends.hybridstore.plan import concerned, plan_batch, supports_ttl
from store_conformance.backends.hybridstore.routes import Namespace, Route, Routing


class HybridStore(BaseStore):
    """
    Two or more stores behind one BaseStore, each namespace in exactly one of them.

    ```python
    store = HybridStore([Route(depth=1, store=prompts)], default=memories)
    ```

    The first route that matches a namespace wins, `default` takes the rest.  A call that
    concerns one store is handed to that store as it is.  A search over several gives all
    matches of the first store, then those of the next; with a query it ranks by score, best
    first, and items without a score come last: scores of different embedders or distances are
    compared as the numbers they are.  `list_namespaces` over several is sorted label by label.

    What two engines cannot promise together: a batch is checked as a whole before anything is
    done, and the store more likely to refuse (values that are not plain JSON, texts to embed)
    is written first, but when a later store fails, what an earlier one acknowledged stays; its
    error is raised, and the same batch can be sent again.  Reads of one batch see each store
    before the batch, not both at one instant.

    The stores must not share their data, and are opened and closed by whoever made them.
    Raises what the stores raise, and before anything is written: ``ValueError`` (``InvalidNamespaceError``) for an
    invalid operation, ``NotImplementedError`` for a ttl that one of the stores lacks, and
    ``asyncio.InvalidStateError`` for a synchronous call in the event loop of one of them.

    Expiry (in minutes, as the base class has it) is supported if all of them support it.  `setup`, `sweep_ttl`, `start_ttl_sweeper`
    and `stop_ttl_sweeper` give an awaitable as soon as one of the stores has them as coroutines.
    """

    def __init__(self, routes: Sequence[Route], default: BaseStore) -> None:
        if not isinstance(default, BaseStore):
            raise TypeError(f"default is a BaseStore, not {type(default).__name__}")
        for route in routes:
            if not isinstance(route, Route):
                raise TypeError(f"routes holds a {type(route).__name__}, not a Route")
        self._routing = Routing(tuple(routes), default)
        configs = [store.ttl_config for store in self.stores]
        self.supports_ttl = all(supports_ttl(store) for store in self.stores)
        # Where they differ each store goes on following its own.
        agreed = all(config == configs[0] for config in configs)
        self.ttl_config = configs[0] if self.supports_ttl and agreed else None

    @property
    def stores(self) -> list[BaseStore]:
        """
        Every store once, in the order in which their matches are given.
        """
        return self._routing.stores

    def store_of(self, namespace: Namespace) -> BaseStore:
        """
        The store that keeps this namespace.
        """
        return self._routing.store_of(namespace)

    # Operations as they come

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        listed = self._checked(ops)
        self._refuse_own_loop()
        alone = self._alone(listed)
        if alone is not None:
            return alone.batch(listed)
        return cast("list[Result]", drive(plan_batch(self._routing, listed)))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        listed = self._checked(ops)
        alone = self._alone(listed)
        if alone is not None:
            return await either(alone.abatch, alone.batch, listed)
        return cast("list[Result]", await adrive(plan_batch(self._routing, listed)))

    # One item: the store's own method, so that its defaults and its ordering of writes hold

    def get(
        self, namespace: Namespace, key: str, *, refresh_ttl: bool | None = None
    ) -> Item | None:
        _check(GetOp(namespace, str(key)))
        self._refuse_own_loop()
        return self.store_of(namespace).get(namespace, str(key), refresh_ttl=refresh_ttl)

    async def aget(
        self, namespace: Namespace, key: str, *, refresh_ttl: bool | None = None
    ) -> Item | None:
        _check(GetOp(namespace, str(key)))
        store = self.store_of(namespace)
        return await either(store.aget, store.get, namespace, str(key), refresh_ttl=refresh_ttl)

    def put(
        self,
        namespace: Namespace,
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | NotProvided | None = NOT_PROVIDED,
    ) -> None:
        self._check_put(PutOp(namespace, str(key), value), ttl)
        self._refuse_own_loop()
        self.store_of(namespace).put(namespace, str(key), value, index, ttl=ttl)

    async def aput(
        self,
        namespace: Namespace,
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | NotProvided | None = NOT_PROVIDED,
    ) -> None:
        self._check_put(PutOp(namespace, str(key), value), ttl)
        store = self.store_of(namespace)
        await either(store.aput, store.put, namespace, str(key), value, index, ttl=ttl)

    def delete(self, namespace: Namespace, key: str) -> None:
        _check(PutOp(namespace, str(key), None))
        self._refuse_own_loop()
        self.store_of(namespace).delete(namespace, str(key))

    async def adelete(self, namespace: Namespace, key: str) -> None:
        _check(PutOp(namespace, str(key), None))
        store = self.store_of(namespace)
        await either(store.adelete, store.delete, namespace, str(key))

    # Many items

    def search(
        self,
        namespace_prefix: Namespace,
        /,
        *,
        query: str | None = None,
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        op = self._search_op(namespace_prefix, filter, limit, offset, query, refresh_ttl)
        return cast("list[SearchItem]", self.batch([op])[0])

    async def asearch(
        self,
        namespace_prefix: Namespace,
        /,
        *,
        query: str | None = None,
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        op = self._search_op(namespace_prefix, filter, limit, offset, query, refresh_ttl)
        return cast("list[SearchItem]", (await self.abatch([op]))[0])

    def list_namespaces(
        self,
        *,
        prefix: NamespacePath | None = None,
        suffix: NamespacePath | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Namespace]:
        op = _listing_op(prefix, suffix, max_depth, limit, offset)
        return cast("list[Namespace]", self.batch([op])[0])

    async def alist_namespaces(
        self,
        *,
        prefix: NamespacePath | None = None,
        suffix: NamespacePath | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Namespace]:
        op = _listing_op(prefix, suffix, max_depth, limit, offset)
        return cast("list[Namespace]", (await self.abatch([op]))[0])

    # Life and expiry

    def setup(self) -> Any:
        """
        Set up every store that has something to set up.
        """
        return self._each("setup")

    def sweep_ttl(self) -> Any:
        """
        Delete what has expired in every store; the number of items deleted in all of them.
        """
        return self._each("sweep_ttl", gather=lambda counts: sum(n for n in counts if n))

    def start_ttl_sweeper(self, sweep_interval_minutes: int | None = None) -> Any:
        """
        Start the sweeper of every store; the handle is done when all of theirs are.
        """
        return self._each("start_ttl_sweeper", sweep_interval_minutes, gather=_all_of)

    def stop_ttl_sweeper(self, timeout: float | None = None) -> Any:
        """
        Stop the sweeper of every store; True if all of them have stopped.
        """
        return self._each(
            "stop_ttl_sweeper", timeout, gather=lambda stopped: all(s is not False for s in stopped)
        )

    def _each(
        self, name: str, *args: Any, gather: Callable[[list[Any]], Any] = lambda results: None
    ) -> Any:
        methods = [getattr(store, name) for store in self.stores if hasattr(store, name)]
        if not any(_is_coroutine_method(method) for method in methods):
            return gather([method(*args) for method in methods])

        async def run() -> Any:
            results = [
                await method(*args)
                if _is_coroutine_method(method)
                else await asyncio.to_thread(method, *args)
                for method in methods
            ]
            return gather(results)

        return run()

    # Checks

    def _checked(self, ops: Iterable[Op]) -> list[Op]:
        listed = list(ops)
        for op in listed:
            if not isinstance(op, (GetOp, SearchOp, PutOp, ListNamespacesOp)):
                # The class that langgraph's own stores raise here.
                raise ValueError(f"Unknown operation type: {type(op)}")
            _check(op)
        return listed

    def _check_put(self, op: PutOp, ttl: float | NotProvided | None) -> None:
        _check(op)
        if ttl is not NOT_PROVIDED and ttl is not None and not self.supports_ttl:
            without = [type(store).__name__ for store in self.stores if not supports_ttl(store)]
            raise NotImplementedError(
                f"TTL is not supported by {type(self).__name__} over {', '.join(without)}. "
                "Use stores that all support TTL or set ttl=None."
            )

    def _search_op(
        self,
        prefix: Namespace,
        filter: dict[str, Any] | None,
        limit: int,
        offset: int,
        query: str | None,
        refresh_ttl: bool | None,
    ) -> SearchOp:
        op = SearchOp(prefix, filter, limit, offset, query)
        _check(op)
        if refresh_ttl is None:
            # One flag for all of them: a store that does not refresh by default is not made to.
            configs = [store.ttl_config or {} for store in concerned(self._routing, op)]
            refresh_ttl = all(config.get("refresh_on_read", True) for config in configs)
        return op._replace(refresh_ttl=refresh_ttl)

    def _alone(self, ops: Sequence[Op]) -> BaseStore | None:
        # The one store that all of the batch concerns: it keeps its own promises best untouched.
        found: BaseStore | None = None
        for op in ops:
            stores = concerned(self._routing, op)
            if len(stores) > 1 or (found is not None and stores[0] is not found):
                return None
            found = stores[0]
        return found

    def _refuse_own_loop(self) -> None:
        # Before anything is done: refused by the second store, the first would have been changed.
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            return
        for store in self.stores:
            if getattr(store, "_loop", None) is running:
                raise asyncio.InvalidStateError(
                    f"Synchronous calls to {type(self).__name__} in the event loop of its "
                    f"{type(store).__name__}: use the asynchronous methods there."
                )


def _check(op: Op) -> None:
    for labels in _label_paths(op):
        if isinstance(labels, str) or not isinstance(labels, (tuple, list)):
            raise InvalidNamespaceError(f"A namespace is a tuple of labels. Got: {labels!r}")
    validate_op_namespace(op)
    if isinstance(op, PutOp) and op.value is not None:
        if not op.namespace:
            raise InvalidNamespaceError("Namespace cannot be empty.")
        if op.namespace[0] == "langgraph":
            raise InvalidNamespaceError(
                f'Root label for namespace cannot be "langgraph". Got: {op.namespace}'
            )


def _label_paths(op: Op) -> list[Any]:
    if isinstance(op, (GetOp, PutOp)):
        return [op.namespace]
    if isinstance(op, SearchOp):
        return [op.namespace_prefix]
    return [condition.path for condition in op.match_conditions or ()]


def _listing_op(
    prefix: NamespacePath | None,
    suffix: NamespacePath | None,
    max_depth: int | None,
    limit: int,
    offset: int,
) -> ListNamespacesOp:
    conditions = []
    if prefix:
        conditions.append(MatchCondition("prefix", prefix))
    if suffix:
        conditions.append(MatchCondition("suffix", suffix))
    return ListNamespacesOp(tuple(conditions), max_depth, limit, offset)


def _is_coroutine_method(method: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(method)


def _all_of(handles: list[Any]) -> Any:
    futures = [handle for handle in handles if handle is not None]
    if len(futures) <= 1:
        return futures[0] if futures else None
    if any(isinstance(handle, asyncio.Future) for handle in futures):
        return asyncio.gather(
            *(asyncio.wrap_future(h) if isinstance(h, Future) else h for h in futures)
        )
    return _joined(futures)


def _joined(futures: list[Future[None]]) -> Future[None]:
    joined: Future[None] = Future()
    left = [len(futures)]

    def one_done(_: Future[None]) -> None:
        left[0] -= 1
        if left[0] == 0 and not joined.done():
            joined.set_result(None)

    for future in futures:
        future.add_done_callback(one_done)
    return joined
