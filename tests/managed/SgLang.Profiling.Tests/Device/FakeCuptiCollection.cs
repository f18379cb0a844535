namespace SgLang.Profiling.Tests.Device;

/// <summary>Tests that share the fake CUPTI and look at the memory of the whole process: nothing else may run beside them.</summary>
[CollectionDefinition(FakeCupti.Tests, DisableParallelization = true)]
public sealed class FakeCuptiCollection;
